"""What is wrong with the YAML of a file, in words for people who don't know how a scanner works.

ruamel.yaml stops at the first fault and names it by what it was scanning. The common ones are told anew; any other keeps
ruamel's own words, which are better than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

# Line and column from 1; path; what; hint.
Finding = tuple[tuple[int, int], tuple[str | int, ...], str, str]

_TAB = ("found character '\\t'", "a tab: YAML is indented with spaces", "use two spaces for each level")
_FAULTS = (
    ("mapping values are not allowed here", "a `:` where no key can be", "indent one level alike; quote a value that holds `: `"),
    ("could not find expected ':'", "a line without `:` before this place", "write `key: value`"),
    ("found undefined alias", "an alias (`*`) to an anchor that is not there", "put text that begins with `*` in quotes"),
    ("found unexpected end of stream", "a quote that is never closed", "close it on the same line"),
    ("expected the node content", "a bracket that is never closed, or a value that is missing", "close every `[` and `{`"),
    ("expected ',' or", "a bracket that is never closed, or a `,` that is missing", "separate entries by `,` and close every `[` and `{`"),
    ("expected <block end>", "this line does not fit the lines above it", "indent entries of one level alike"),
    ("but found another document", "a second document begins", "a file describes one block: remove the `---`"),
    ("expected '<document start>'", "this line is indented less than the first one", "indent all keys of the top level alike"),
    ("that cannot start any token", "a character that no value can begin with", "put the value in quotes"),
    ("unknown escape character", "an escape that YAML does not know", "use single quotes for text with backslashes"),
    ("incompatible YAML document", "a version of YAML that is not known", "remove the line `%YAML`"),
)  # fmt: skip


def explain_syntax(error: MarkedYAMLError, text: str) -> Finding:
    """Say where and why the YAML can't be read."""
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(error.problem or error.context or "this is not YAML")
    if _TAB[0] in problem or _is_indented_by_tab(text, place[0]):
        return place, (), _TAB[1], _TAB[2]
    known = next(((what, hint) for part, what, hint in _FAULTS if part in problem), (problem, ""))
    return place, (), *known


def _is_indented_by_tab(text: str, line: int) -> bool:
    """Whether a tab stands before the first character of the line, which YAML reports in many ways."""
    lines = text.splitlines()
    content = lines[line - 1] if line <= len(lines) else ""
    return "\t" in content[: len(content) - len(content.lstrip())]
