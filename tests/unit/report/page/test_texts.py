from __future__ import annotations

import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.events import NodeFinished, RunFinished
from immtf.report.page.texts import MOST, clean, mapped
from tests.unit.report.page.runs import HOSTILE

ANY = st.text(st.characters(codec=None), max_size=40)


@given(ANY)
def test_what_is_clean_is_a_line_of_utf_8_that_xml_can_hold(text: str) -> None:
    found = clean(text)
    assert "\n" not in found
    assert ET.fromstring(f"<t>{escape(found)}</t>").text == (found or None)  # noqa: S314 - made here
    assert clean(found) == found


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\ufeff"], ids=ascii)
def test_signs_that_turn_or_hide_text_are_named(sign: str) -> None:
    """A name that shows as another one can't be told from it."""
    assert clean(f"a{sign}b") == f"aU+{ord(sign):04X}b"


@pytest.mark.parametrize("sign", ["\ud800", "\ufffe", "\U0001fffe", "\U0010ffff", "\ufdd0"], ids=ascii)
def test_what_is_no_character_is_replaced(sign: str) -> None:
    assert clean(f"a{sign}b") == "a\ufffdb"


def test_other_scripts_and_signs_stay() -> None:
    assert clean("Gerät 😀 שלום") == "Gerät 😀 שלום"


def test_every_text_in_a_value_is_changed() -> None:
    end = RunFinished("done", 1, 1, None, None, None, {"a\x00": 1.0})
    assert mapped(end, clean).away_s == {"a": 1.0}
    assert mapped(("x", NodeFinished("n\n", 1.0, 2.0, "i"), None), clean) == ("x", NodeFinished("n", 1.0, 2.0, "i"), None)


def test_the_hostile_ones_are_lines() -> None:
    assert all(clean(text).isprintable() for text in HOSTILE)


def test_what_is_far_too_long_is_cut() -> None:
    assert clean("x" * 10_000_000) == "x" * (MOST - 1) + "…"
    assert len(clean("\u200b" * MOST)) == MOST
