"""YAML 1.2 with the place of everything in it.

ruamel.yaml composes the tree of nodes; plain values are made here, by the core schema of YAML 1.2 and nothing else: `yes` and
dates are text, keys are always text. Thereby every key and value keeps its line and column, and all duplicate keys are found, not
only the first. What is wrong with the YAML itself is told in plain words (`syntax`).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from immtf.plan.config.syntax import explain_syntax

if TYPE_CHECKING:
    from immtf.plan.config.syntax import Finding

Path = tuple[str | int, ...]
Place = tuple[int, int]

_CORE = "tag:yaml.org,2002:"
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"(?P<true>true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BOTTOMLESS = re.compile(r"(?:[\[{]\s*){64}")  # ruamel takes quadratic time for these
_MOST = 300_000
_TOO_MANY: Finding = ((1, 1), (), f"more than {_MOST} values, with what its aliases stand for", "write out what is needed, without aliases")
_TOO_DEEP: Finding = ((1, 1), (), "lists or mappings within each other, too deep to be a block's file", "")
_MAX_DIGITS = 30  # a longer number is left as text: no key wants it


@dataclass
class Document:
    """A file's content: `data` is plain values; `findings` are the faults of the YAML itself, with their places."""

    data: Any = None
    findings: list[Finding] = field(default_factory=list)
    _root: Node | None = None

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Return line and column, from 1, of what stands at `path`, or of its key; of the nearest parent where it is absent."""
        place, node = (1, 1), self._root
        for step in path:
            entry = _entry(node, step)
            if entry is None:
                return place
            name, node = entry
            place = _start(name if name is not None and (key or _is_blank(node)) else node)
        return place if path else _start(node) if node is not None else place

    def written(self, path: Path) -> str:
        """Return a scalar as it stands in the file: `1.10`, where `data` has 1.1. Empty if there is none."""
        node = self._root
        for step in path:
            entry = _entry(node, step)
            node = entry[1] if entry else None
        return str(node.value) if isinstance(node, ScalarNode) else ""


def read_document(text: str) -> Document:
    """Read one YAML document; faults become findings, and what could be read is kept."""
    if _BOTTOMLESS.search(text):
        return Document(findings=[_TOO_DEEP])
    try:
        root = _compose(text)
        document = Document(_root=root)
        document.data = _Reader(document.findings).value(root, ()) if root is not None else None
    except MarkedYAMLError as error:
        return Document(findings=[explain_syntax(error, text)])
    except YAMLError as error:
        position = getattr(error, "position", 0)
        return Document(findings=[(_line_column(text, position), (), "a character that YAML does not allow", "remove it")])
    except RecursionError:
        return Document(findings=[_TOO_DEEP])
    except _TooMany:
        return Document(findings=[_TOO_MANY])
    return document


def _compose(text: str) -> Node | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it: the alias means the nearest anchor above
        return cast("Node | None", YAML(typ="safe", pure=True).compose(text))


class _TooMany(Exception):
    """There are more values than any file needs: aliases of aliases, most likely, each of which is read where it stands."""


class _Reader:
    """Turns nodes into plain values and notes what can't be one."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > _MOST:
            raise _TooMany
        if not str(node.tag).startswith(_CORE):
            self._note(node, path, f"the tag `{node.tag}` means nothing here", "write the value without a tag")
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            self._note(node, path, "an anchor that contains itself", "write the value out")
            return None
        self._open.add(id(node))
        made: Any
        if isinstance(node, MappingNode):
            made = self._mapping(node, path)
        else:
            made = [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self._open.remove(id(node))
        return made

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._note(key, path, "a list or a mapping as a key", "keys are words")
                continue
            name = str(key.value)
            if name in made:
                self._note(key, (*path, name), f"`{name}` stands here a second time", f"it stands in line {first[name]} already")
                continue
            first[name] = _start(key)[0]
            made[name] = self.value(value, (*path, name))
        return made

    def _note(self, node: Node, path: Path, what: str, hint: str) -> None:
        self._findings.append((_start(node), path, what, hint))


def _scalar(node: ScalarNode) -> Any:
    """Make a value by the core schema; ruamel's own reading (dates, `1_000`) counts only as far as it agrees."""
    text = str(node.value)
    match str(node.tag).removeprefix(_CORE):
        case "null" if _NULL.fullmatch(text):
            return None
        case "bool" if found := _BOOL.fullmatch(text):
            return found["true"] is not None
        case "int" if _INT.fullmatch(text) and len(text) < _MAX_DIGITS:
            return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
        case "float" if _FLOAT.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case _:
            return text


def _entry(node: Node | None, step: str | int) -> tuple[Node | None, Node] | None:
    """Go one step down: the key's node (none in a list) and the value's."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _is_blank(node: Node) -> bool:
    """Whether nothing is written there: YAML places such a value at the line after."""
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _start(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _line_column(text: str, position: int) -> Place:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
