"""A user's own `default_tags` in a provider block, so that tags can be put beside them instead of in their place.

An override file replaces a nested block whole. What the user wrote is therefore taken over as the expression it is, whatever it computes,
and merged with the tags by Terraform itself.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.hcl import provider_bodies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^\s*default_tags\s*\{|[;{]\s*default_tags\s*\{", re.MULTILINE)
_DYNAMIC = re.compile(r'\bdynamic\s+"?default_tags"?\s*\{')
_TAGS = re.compile(r"^\s*tags\s*=\s*", re.MULTILINE)
_MARK = re.compile(r'"(?:\\.|[^"\\\n])*"|[\[\](){}]|\n')


def merged_tags(module: Path, provider: str, alias: str, tags: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Return the `default_tags` for a provider block: the user's with these over them. None where the user's can't be read."""
    own = _own(module, provider, alias)
    if own is None:
        return None
    match own:
        case "":
            return [{"tags": dict(tags)}]
        case str():
            return [{"tags": f"${{merge({own}, {_object(tags)})}}"}]
        case _:
            return [{"tags": {**own, **tags}}]


def _own(module: Path, provider: str, alias: str) -> str | dict[str, Any] | None:
    """Return the user's tags: an expression, the map of a JSON file, "" where there are none; None where they can't be read."""
    for body in provider_bodies(module, provider, alias):
        if isinstance(body, str):
            if _DYNAMIC.search(body):
                return None
            found = _BLOCK.search(body)
            if found:
                return _expression(_until_closed(body[found.end() :], "}"))
        elif "default_tags" in body:
            return _of_json(body["default_tags"])
    return ""


def _of_json(value: Any) -> str | dict[str, Any] | None:
    blocks = value if isinstance(value, list) else [value]
    tags = blocks[0].get("tags") if len(blocks) == 1 and isinstance(blocks[0], dict) else None
    if isinstance(tags, dict):
        return dict(tags)
    computed = re.fullmatch(r"\$\{(.*)\}", tags, re.DOTALL) if isinstance(tags, str) else None
    return computed[1] if computed else None


def _expression(block: str) -> str | None:
    """Return what stands behind `tags =`; "" where the block has none, None where it holds a heredoc, whose text isn't seen here."""
    start = _TAGS.search(block)
    if start is None:
        return ""
    expression = _until_closed(block[start.end() :], "\n").strip()
    return expression if expression and "<<" not in expression else None


def _until_closed(text: str, end: str) -> str:
    """Return the text up to `end`, which counts outside of strings and brackets only; a closing bracket too many ends it as well."""
    depth = 0
    for mark in _MARK.finditer(text):
        sign = mark[0]
        if depth == 0 and (sign == end or sign in "]})"):
            return text[: mark.start()]
        depth += (sign in "[({") - (sign in "])}")
    return text


def _object(tags: Mapping[str, str]) -> str:
    """Write tags as an object of Terraform's language."""
    return "{" + ", ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in sorted(tags.items())) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
