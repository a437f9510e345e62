"""What must be known of a configuration before Terraform reads it: its local modules, its provider blocks and its variables.

This is no HCL parser. Comments are taken out and braces counted, strings respected; what a configuration computes is not seen, and
neither a module's source nor a provider's alias can be computed in HCL.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|#[^\n]*|//[^\n]*|/\*.*?\*/|[{}]', re.DOTALL)
_HEREDOC = re.compile(r"<<-?[ \t]*(\w+)[^\n]*\n.*?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_LOCAL_SOURCE = re.compile(r'(?:^|\{)\s*source\s*=\s*"(\.{1,2}/?[^"]*)"', re.MULTILINE)
_FOREIGN_SOURCE = re.compile(r'^\s*module\s+"[^"]*"\s*\{[^{}]*?\bsource\s*=\s*"[^."]', re.MULTILINE)
_ALIAS = re.compile(r'^\s*alias\s*=\s*"([^"]+)"', re.MULTILINE)
_PROVIDER = re.compile(r'^\s*provider\s+"?([\w-]+)"?\s*\{', re.MULTILINE)
_SENSITIVE = re.compile(r"(?:^|[{\s])sensitive\s*=\s*true\b")
_REMOTE_STATE = re.compile(r'^\s*data\s+"?terraform_remote_state"?\s+"?([\w-]+)"?\s*\{', re.MULTILINE)
_OUTPUT = re.compile(r'^\s*output\s+"?([\w-]+)"?\s*\{', re.MULTILINE)
_VARIABLE = re.compile(r'^\s*variable\s+"?([\w-]+)"?\s*\{', re.MULTILINE)
_BACKEND = re.compile(r'^\s*(?:terraform\s*\{\s*)?(?:backend\s+"?([\w-]+)"?|(cloud))\s*\{', re.MULTILINE)
_IMPORT = re.compile(r"^\s*import\s*\{", re.MULTILINE)


def adopts(module: Path) -> bool:
    """Return whether a root module takes things that exist into its state (`import` blocks)."""
    return any(_IMPORT.search(text) for _path, text in _native(module)) or any("import" in document for document in _json(module))


def own_backend(module: Path) -> str:
    """Return the kind of backend that a root module configures, `cloud` for Terraform's own; "" where it has none."""
    found = [next(filter(None, names)) for _path, text in _native(module) for names in _BACKEND.findall(text)]
    for document in _json(module):
        for settings in _bodies(document.get("terraform")):
            found += [kind for backend in _bodies(settings.get("backend")) for kind in backend] + (["cloud"] if "cloud" in settings else [])
    return found[0] if found else ""


def remote_states_called(module: Path) -> dict[str, Path]:
    """Return the data sources `terraform_remote_state` of the local modules that a root module calls, or these do, with their places."""
    root, found = module.resolve(), {}
    for place in _modules(root):
        found.update(dict.fromkeys(remote_states(place) if place != root else (), place))
    return found


def declared_variables(module: Path) -> frozenset[str]:
    """Return the names of the variables that a module declares."""
    found = {name for _path, text in _native(module) for name in _VARIABLE.findall(text)}
    for document in _json(module):
        for names in _bodies(document.get("variable")):
            found.update(names)
    return frozenset(found)


def declared_outputs(module: Path) -> frozenset[str]:
    """Return the names of the outputs that a module declares."""
    found = {name for _path, text in _native(module) for name in _OUTPUT.findall(text)}
    for document in _json(module):
        for names in _bodies(document.get("output")):
            found.update(names)
    return frozenset(found)


def sensitive_variables(module: Path) -> frozenset[str]:
    """Return the names of the variables that a module declares as sensitive."""
    found: set[str] = set()
    for _path, text in _native(module):
        found.update(start[1] for start in _VARIABLE.finditer(text) if _SENSITIVE.search(_block(text, start.end())))
    for document in _json(module):
        for variables in _bodies(document.get("variable")):
            found.update(name for name, value in variables.items() if any(body.get("sensitive") is True for body in _bodies(value)))
    return frozenset(found)


def remote_states(module: Path) -> frozenset[str]:
    """Return the names of the data sources `terraform_remote_state` of a module, not of those that it calls."""
    found = {name for _path, text in _native(module) for name in _REMOTE_STATE.findall(text)}
    for document in _json(module):
        for data in _bodies(document.get("data")):
            for names in _bodies(data.get("terraform_remote_state")):
                found.update(names)
    return frozenset(found)


def local_sources(module: Path) -> frozenset[str]:
    """Return the sources of a module's calls that are paths (`../../modules/x`), as written."""
    found: set[str] = set()
    for _path, text in _native(module):
        found.update(_LOCAL_SOURCE.findall(text))
    for document in _json(module):
        for calls in _bodies(document.get("module")):
            found.update(str(call.get("source", "")) for body in calls.values() for call in _bodies(body))
    return frozenset(source for source in found if source.startswith("."))


def provider_aliases(module: Path, provider: str) -> tuple[str, ...]:
    """Return the aliases of a provider's blocks in a module, the empty string for the block that has none; no block: nothing."""
    found: set[str] = set()
    for _path, text in _native(module):
        for start in _PROVIDER.finditer(text):
            if start[1] == provider:
                alias = _ALIAS.search(_block(text, start.end()))
                found.add(alias[1] if alias else "")
    for document in _json(module):
        for providers in _bodies(document.get("provider")):
            found.update(str(block.get("alias", "")) for block in _bodies(providers.get(provider)))
    return tuple(sorted(found))


def provider_bodies(module: Path, provider: str, alias: str) -> list[str | Mapping[str, Any]]:
    """Return the blocks of a provider with this alias ("" for none): text without comments, with heredocs as they stand, or JSON's data."""
    found: list[str | Mapping[str, Any]] = []
    for path in sorted(module.glob("*.tf")):
        text = _without_comments(path.read_text(errors="replace"))
        for start in _PROVIDER.finditer(text):
            own = _ALIAS.search(_block(text, start.end()))
            if start[1] == provider and (own[1] if own else "") == alias:
                found.append(_whole_block(text, start.end()))
    for document in _json(module):
        for providers in _bodies(document.get("provider")):
            found.extend(block for block in _bodies(providers.get(provider)) if str(block.get("alias", "")) == alias)
    return found


def uses_provider(module: Path, provider: str) -> bool:
    """Return whether a module or a local one below it has anything of a provider's; one that is fetched from elsewhere may."""
    own = re.compile(rf'"{provider}_|\b{provider}\s*=\s*\{{|"{provider}"\s*[:{{]')
    return any(own.search(text) or _FOREIGN_SOURCE.search(text) for text in _all_texts(module))


def mentioned(module: Path, words: Iterable[str]) -> frozenset[str]:
    """Return which of these words a module or a local one below it has as a text of its own, e.g. as the key of a tag."""
    texts = list(_all_texts(module))
    return frozenset(word for word in words if any(f'"{word}"' in text for text in texts))


def _all_texts(module: Path) -> Iterator[str]:
    """Give the text of every file of a module and of the local ones below it."""
    for place in _modules(module.resolve()):
        yield from (text for _path, text in _native(place))
        yield from (path.read_text(errors="replace") for path in sorted(place.glob("*.tf.json")))


def _modules(root: Path) -> Iterator[Path]:
    """Give a module's directory and those of the local ones below it, each once."""
    seen, waiting = set(), [root]
    while waiting:
        place = waiting.pop()
        if place not in seen:
            seen.add(place)
            yield place
            waiting.extend((place / source).resolve() for source in local_sources(place))


def _native(module: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(module.glob("*.tf")):
        yield path, _plain(path.read_text(errors="replace"))


def _json(module: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(module.glob("*.tf.json")):
        try:
            document = json.loads(path.read_bytes())
        except ValueError:  # Terraform says where and why, better than we could
            continue
        if isinstance(document, dict):
            yield document


def _bodies(value: Any) -> list[Mapping[str, Any]]:
    """Return a JSON block's bodies: one object, or an array of them."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, dict)]


def _plain(text: str) -> str:
    """Return the text without comments and without the text of heredocs."""
    return _without_comments(_HEREDOC.sub('""', text))


def _without_comments(text: str) -> str:
    return _TOKEN.sub(lambda token: "" if token[0][0] in "#/" else token[0], text)


def _whole_block(text: str, start: int) -> str:
    """Return a block's body up to its closing brace, with the blocks inside it."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return text[start : token.start()]
    return text[start:]


def _block(text: str, start: int) -> str:
    """Return a block's body up to its closing brace, without the blocks inside it."""
    depth, kept, place = 1, [], start
    for token in _TOKEN.finditer(text, start):
        if token[0] not in "{}":
            continue
        if depth == 1:
            kept.append(text[place : token.start()])
        depth += 1 if token[0] == "{" else -1
        place = token.end()
        if depth == 0:
            break
    return "".join(kept)
