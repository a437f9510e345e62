"""The text of a lock file: sorted JSON, the same for the same lock; and what may be wrong with one that was merged or edited by hand."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, cast

from immtf.errors import UsageError
from immtf.model.lock import FORMAT, Lock
from immtf.model.published import Place, Published
from immtf.plan.versions import Constraint, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePath

    from immtf.model.published import PlaceKind

AGAIN = "resolve anew: `immtf resolve NAME… --published PLACE --lock FILE`"
_KEYS = frozenset({"version", "place", "revision", "path", "digest", "requires"})
_NEEDED = frozenset({"version", "place", "digest", "requires"})
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
_COMMAND = re.compile(
    r"\bimmtf (plan|create|upgrade|destroy|status) ('[^']*'|[^\s`\"\\;]+)(?![^`\"]*--(?:accept-unmarked|image|node|only)\b)"
)
_DIGESTS = {
    "directory": re.compile(r"sha256:[0-9a-f]{64}"),
    "git": re.compile(r"git:(?:[0-9a-f]{40}|[0-9a-f]{64})"),
    "image": re.compile(r"sha256:[0-9a-f]{64}"),
    "registry": re.compile(r"sha256:[0-9a-f]{64}"),
}


def read_place(text: str) -> Place:
    """Read a place as it is given: a directory, or `git:DIR`, `image:NAME`, `registry:HOST/NAME`. Raises `UsageError`."""
    kind, colon, rest = text.partition(":")
    if colon and kind in _DIGESTS and kind != "directory":
        if not rest:
            raise UsageError(f"`{text}` names nothing", where="--published", next="write git:DIR, image:NAME or registry:HOST/NAME")
        return Place(cast("PlaceKind", kind), rest)
    return Place("directory", text)


def lock_text(lock: Lock) -> str:
    """Return a lock as text."""
    blocks = {name: _entry(one) for name, one in lock.blocks.items()}
    return json.dumps({"format": FORMAT, "asked": dict(lock.asked), "blocks": blocks}, indent=2, sort_keys=True) + "\n"


def _entry(one: Published) -> dict[str, Any]:
    place = Place(one.place.kind, one.place.where)
    more = {key: value for key in ("revision", "path") if (value := getattr(one.place, key))}
    return {"version": one.version, "place": str(place), **more, "digest": one.digest, "requires": dict(one.requires)}


def named_by_lock(text: str, lock: str, blocks: Mapping[str, PurePath]) -> str:
    """Return a text with `immtf upgrade LOCK --only=NAME` in place of the same on the directory of one of the blocks.

    A command with an option that only a single block takes stays, as do those that take no lock: the directory does for them. The text may
    be a record in JSON, and is one afterwards.
    """
    there = shlex.quote(lock)
    there = json.dumps(there, ensure_ascii=False)[1:-1] if text.startswith("{") else there
    names = {word: name for name, path in blocks.items() for word in (str(path), shlex.quote(str(path)), f"DIRECTORY_OF_{name}")}

    def named(found: re.Match[str]) -> str:
        name = names.get(found[2])
        return f"immtf {found[1]} {there} --only={name}" if name else found[0]

    return _COMMAND.sub(named, text)


def read_lock(text: str, where: str) -> Lock:
    """Read a lock; `where` is its file's name for messages. Raises `UsageError` for the first thing that is wrong in it."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UsageError(f"is no lock file: {error}", where=where, next=AGAIN) from None
    if not isinstance(data, dict) or "format" not in data:
        raise UsageError("is no lock file: it has no `format`", where=where, next=AGAIN)
    if data["format"] != FORMAT:
        what = f"is a lock file of format {data['format']}, and this immtf reads {FORMAT}"
        raise UsageError(what, where=where, next=f"use the immtf that wrote it, or {AGAIN}")
    asked, entries = _texts(data.get("asked"), where, "asked"), data.get("blocks")
    if not isinstance(entries, dict) or not entries:
        raise UsageError("locks no block", where=where, next=AGAIN)
    lock = Lock(asked, {name: _published(name, entry, where) for name, entry in sorted(entries.items())})
    _refuse_unfit(lock, where)
    return lock


def _published(name: str, entry: Any, where: str) -> Published:
    at = f"blocks.{name}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` is not a block's name", where=where, next=AGAIN)
    if not isinstance(entry, dict) or not entry.keys() >= _NEEDED or not entry.keys() <= _KEYS:
        raise UsageError(f"{at} should have {', '.join(sorted(_NEEDED))}", where=where, next=AGAIN)
    texts = _texts({key: value for key, value in entry.items() if key != "requires"}, where, at)
    requires = _texts(entry["requires"], where, f"{at}.requires")
    given = read_place(texts["place"])
    place = Place(given.kind, given.where, texts.get("revision", ""), texts.get("path", ""))
    if ".." in place.path.split("/") or place.path.startswith("/"):
        raise UsageError(f"{at}.path leads out of the repository", where=where, next=AGAIN)
    if not _DIGESTS[place.kind].fullmatch(texts["digest"]) or (place.kind != "directory" and not place.revision):
        raise UsageError(f"{at} doesn't say which content is meant", where=where, next=AGAIN)
    return Published(name, texts["version"], requires, place, texts["digest"])


def _texts(value: Any, where: str, at: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UsageError(f"{at} should be texts by name", where=where, next=AGAIN)
    return dict(value)


def _refuse_unfit(lock: Lock, where: str) -> None:
    """Refuse a lock whose versions don't fit together: two that were merged, for example."""
    try:
        versions = {name: Version.parse(one.version) for name, one in lock.blocks.items()}
        for name, text in lock.asked.items():
            _refuse_one("it was asked for", name, text, versions)
        for one in lock.blocks.values():
            for name, text in one.requires.items():
                _refuse_one(f"{one.name} {one.version} requires", name, text, versions)
    except UsageError as error:
        raise UsageError(error.what, where=where, next=AGAIN) from None


def _refuse_one(who: str, name: str, constraint: str, versions: Mapping[str, Version]) -> None:
    if name not in versions:
        raise UsageError(f"{who} {name} `{constraint}`, and the lock has no {name}")
    if not Constraint.parse(constraint).allows(versions[name]):
        raise UsageError(f"{who} {name} `{constraint}`, and the lock has {name} {versions[name]}")
