from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.config.document import Path, read_document

BOMB = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))
TEXT = st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\ufffe\uffff\u2028\u2029"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_read_as_what_it_means(value: Any) -> None:
    """YAML 1.2 holds all of JSON."""
    document = read_document(json.dumps(value, ensure_ascii=False))
    assert document.data == value
    assert not document.findings


@given(VALUES)
def test_every_place_is_where_the_value_stands(value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    document, lines = read_document(text), text.split("\n")
    for path, inner in walk(value):
        line, column = document.place(path)
        assert lines[line - 1][column - 1 :].startswith(json.dumps(inner, ensure_ascii=False)[:1])
        if path and isinstance(path[-1], str):
            line, column = document.place(path, key=True)
            assert lines[line - 1][column - 1 :].startswith(json.dumps(path[-1], ensure_ascii=False))


def walk(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Return everything in `value` with its path."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [(path, value), *[found for key, inner in entries for found in walk(inner, (*path, key))]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("Off", "Off"),
        ("True", True),
        ("false", False),
        ("2024-01-01", "2024-01-01"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("-7", -7),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("9" * 40, "9" * 40),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1.1.0", "1.1.0"),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    found = read_document(f"a: {written}\n").data["a"]
    assert (type(found), found) == (type(value), value)


def test_a_number_keeps_how_it_was_written() -> None:
    document = read_document("a: {v: 1.10, l: [2]}")
    assert document.written(("a", "v")) == "1.10"
    assert document.written(("a",)) == document.written(("a", "x")) == document.written(("a", "l", 7)) == ""


def test_the_place_of_what_is_absent_or_blank_is_that_of_the_nearest_thing_there() -> None:
    document = read_document("a:\n  b:\n  c: [1]\n")
    assert document.place(("a", "b")) == (2, 3)
    assert document.place(("a", "x", "y")) == (2, 3)
    assert document.place(("a", "c", 4)) == (3, 6)
    assert document.place(("z",)) == document.place(()) == (1, 1)


def test_all_duplicate_keys_are_found_and_the_first_value_is_kept() -> None:
    document = read_document("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [(place, path) for place, path, _, _ in document.findings] == [((2, 11), ("b", "c")), ((3, 1), ("a",)), ((4, 1), ("a",))]
    assert document.findings[1][2:] == ("`a` stands here a second time", "it stands in line 1 already")


def test_aliases_are_followed_also_where_an_anchor_is_used_twice() -> None:
    assert read_document("a: &x 1\nb: *x\nc: &x [2]\nd: *x\n").data == {"a": 1, "b": 1, "c": [2], "d": [2]}


def test_keys_are_always_text() -> None:
    assert read_document("1: a\ntrue: b\n<<: c\n: d\n").data == {"1": "a", "true": "b", "<<": "c", "": "d"}


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: !ref x", (1, 4), "the tag `!ref` means nothing here"),
        ("a: &x [*x]", (1, 4), "an anchor that contains itself"),
        ("? [1]\n: 2", (1, 3), "a list or a mapping as a key"),
        ("a:\n\tb: 1", (2, 1), "a tab: YAML is indented with spaces"),
        ("a:\n  - b\n\t- c\n", (3, 1), "a tab: YAML is indented with spaces"),
        ("a: 1\n b: 2", (2, 3), "a `:` where no key can be"),
        ("a: 1\nfoo\nb: 2", (3, 1), "a line without `:` before this place"),
        ("a: *x", (1, 4), "an alias (`*`) to an anchor that is not there"),
        ("a: 'x", (1, 6), "a quote that is never closed"),
        ("a: [1,", (1, 7), "a bracket that is never closed, or a value that is missing"),
        ("{a: 1\nb: 2", (2, 2), "a bracket that is never closed, or a `,` that is missing"),
        ("- a\nb: 1", (2, 1), "this line does not fit the lines above it"),
        ("---\na: 1\n---\nb: 1\n", (3, 1), "a second document begins"),
        ("  a: 1\nb: 2", (2, 1), "this line is indented less than the first one"),
        ("a: @x", (1, 4), "a character that no value can begin with"),
        ('a: "\\q"', (1, 6), "an escape that YAML does not know"),
        ("%YAML 3.0\n---\na: 1\n", (1, 1), "a version of YAML that is not known"),
        ("%YAML x\n---\na: 1\n", (1, 7), "expected a digit, but found 'x'"),
        ("a: 1\nb: \x01", (2, 4), "a character that YAML does not allow"),
        ("- " * 5000, (1, 1), "lists or mappings within each other, too deep to be a block's file"),
        ("[" * 5000, (1, 1), "lists or mappings within each other, too deep to be a block's file"),
        (BOMB, (1, 1), "more than 300000 values, with what its aliases stand for"),
    ],
)
def test_what_is_wrong_with_the_yaml_is_told_in_plain_words(text: str, place: tuple[int, int], what: str) -> None:
    assert [finding[0:3:2] for finding in read_document(text).findings] == [(place, what)]


@given(st.text(alphabet="a1: -\n\t[]{},&*!|>'\"%@`#?\\~<\x00", max_size=30))
def test_any_text_at_all_is_read_or_told(text: str) -> None:
    document = read_document(text)
    assert document.data is None or not isinstance(document.data, bytes)
    assert all(place >= (1, 1) and what for place, _, what, _ in document.findings)
