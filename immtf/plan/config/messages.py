"""pydantic's errors in a user's words: what stands there, what should, and what was probably meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from immtf.plan.config.gates import KINDS, TIMES
from immtf.plan.config.requires import path_in_file
from immtf.plan.config.schema import keys_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic_core import ErrorDetails

    from immtf.plan.config.document import Document, Path
    from immtf.plan.config.syntax import Finding

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "dict_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "model_attributes_type": "a mapping (`key: value`)",
    "list_type": "a list (`- entry`)",
}
_GATES = {"union_tag_not_found", "union_tag_invalid"}
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}


def explain(errors: Sequence[ErrorDetails], document: Document, keys: Callable[[Path], list[str]] = keys_at) -> list[Finding]:
    """Tell each error with its place; a missing key is not told where a misspelt one was probably meant to be it.

    `keys` returns the keys that may stand in the mapping at a path.
    """
    found = [_explain(error, document, keys) for error in errors]
    meant = {(*path[:-1], key) for error, (_, path, _, _) in zip(errors, found, strict=True) if (key := _meant(error, path, keys))}
    return [finding for error, finding in zip(errors, found, strict=True) if not (error["type"] == "missing" and finding[1] in meant)]


def _explain(error: ErrorDetails, document: Document, keys: Callable[[Path], list[str]]) -> Finding:
    path = _path(error["loc"])
    is_key = error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",)
    what, hint = _words(error, path, document, keys)
    return document.place(path, key=is_key or error["type"] == "missing"), path, what, hint


def _path(loc: Sequence[str | int]) -> Path:
    """Take out of pydantic's location what is not in the file: the tag of a gate's form, the mark of a key."""
    match tuple(loc):
        case ("clusters", name, "gates", int(index), _, *rest):
            path: Path = ("clusters", name, "gates", index, *rest)
        case other:
            path = path_in_file(other)
    return path[:-1] if path[-1:] == ("[key]",) else path


def _words(error: ErrorDetails, path: Path, document: Document, keys: Callable[[Path], list[str]]) -> tuple[str, str]:
    """Choose the sentence and the hint by the kind of error; one that is not foreseen keeps pydantic's words."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _WANTED:
        return _type(kind, value, path, document.written(path))
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"should be {words} {context[key]}, is {value}", ""
    if kind in _GATES or (kind == "literal_error" and path[-2:-1] == ("gates",)):
        return _gate(value)
    return _by_name(kind, path, context, keys) or (_choice(value, context) if kind == "literal_error" else (error["msg"], ""))


def _by_name(kind: str, path: Path, context: dict[str, Any], keys: Callable[[Path], list[str]]) -> tuple[str, str] | None:
    """Choose the words of an error that is told by its place alone."""
    match kind:
        case "immtf":
            return context["what"], context["hint"]
        case "missing":
            return f"`{path[-1]}` is missing", ""
        case "extra_forbidden":
            return f"`{path[-1]}` is not known here", _nearest(str(path[-1]), keys(path[:-1]))
        case "too_short":
            return "a cluster needs at least one gate", "`- mounted` or `- consul` for a start"
        case _:
            return None


def _type(kind: str, value: Any, path: Path, written: str) -> tuple[str, str]:
    """Say which type was wanted and which was found, and how the one is written as the other."""
    what = f"should be {_WANTED[kind]}, is {described(value)}"
    if kind == "model_type" and "gates" in path and path[-1] in KINDS:
        return f"the settings of the gate `{path[-1]}` {what}", f"`{_example(str(path[-1]))}`"
    if kind == "model_type" and path[-1] == "snapshot":
        return what, "`snapshot: { keep: 3 }`"
    return what, _rewritten(kind, path, written) if value is not None else "write a value, or leave the key out"


def _rewritten(kind: str, path: Path, written: str) -> str:
    """Say how a scalar of the wrong type is written as the right one; empty where nobody can know."""
    match kind:
        case "string_type" if path[-1] in TIMES and written:
            return f"write it with its unit: {written}s"
        case "string_type" if written:
            return f'write it in quotes: "{written}"'
        case "int_type" if written.strip().isdecimal():
            return "write it without quotes"
        case "list_type" if written:
            return f"`[{written}]`?"
        case _:
            return ""


def _choice(value: Any, context: dict[str, Any]) -> tuple[str, str]:
    """Say what may stand in the place of a word that is none of a few."""
    choices = re.findall("'([^']*)'", str(context.get("expected", "")))
    near = get_close_matches(value.lower(), choices, n=1) if isinstance(value, str) else []
    return f"should be one of {_row(choices)}, is {described(value)}", f"did you mean `{near[0]}`?" if near else ""


def _gate(value: Any) -> tuple[str, str]:
    """Say what is wrong with an entry of `gates` whose form or kind is not known."""
    if isinstance(value, str) and value in KINDS:
        return f"the gate `{value}` needs settings", f"`{_example(value)}`"
    if isinstance(value, str):
        return f"`{value}` is not a gate", _nearest(value, KINDS)
    if not isinstance(value, dict) or not value:
        return f"a gate is a word or one key with its settings, this is {described(value)}", f"known: {', '.join(KINDS)}"
    first, *rest = (str(key) for key in value)
    if rest and first in KINDS and value[first] is None:
        return f"the settings of the gate `{first}` are not indented below it", f"indent {_row(rest)} by two more spaces"
    if rest:
        return f"one entry holds several keys: {_row([first, *rest])}", "write each gate as an entry of its own, with `-` before it"
    return f"`{first}` is not a gate", _nearest(first, KINDS)


def _example(kind: str) -> str:
    """Write the shortest entry of a kind of gate: the word, or the settings that it needs."""
    needed = [f"{name}: …" for name, field in KINDS[kind].model_fields.items() if field.is_required()]
    return f"- {kind}: {{ {', '.join(needed)} }}" if needed else f"- {kind}"


def described(value: Any) -> str:
    """Name a value's kind as people do."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"the truth value `{str(value).lower()}`"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text `{value}`"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _nearest(word: str, known: Iterable[str]) -> str:
    """Say which of the known words was probably meant, or else which there are."""
    names = list(known)
    near = _near(word, names)
    if near:
        return f"did you mean `{near}`?"
    return f"known: {', '.join(names)}" if names else ""


def _near(word: str, names: list[str]) -> str:
    return next(iter(get_close_matches(word.lower().replace("-", "_"), names, n=1)), "")


def _meant(error: ErrorDetails, path: Path, keys: Callable[[Path], list[str]]) -> str:
    """Return the key that a key which is not known was probably meant to be."""
    return _near(str(path[-1]), keys(path[:-1])) if error["type"] == "extra_forbidden" else ""


def _row(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
