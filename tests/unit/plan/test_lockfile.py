from __future__ import annotations

import json
import shlex
from pathlib import PurePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import UsageError
from immtf.model.lock import Lock
from immtf.model.published import Place, Published
from immtf.plan.lockfile import lock_text, named_by_lock, read_lock, read_place

SHA = f"sha256:{'0' * 64}"
LOCK = Lock(
    {"consul": "~> 1.0"},
    {
        "base": Published("base", "1.3.0", {}, Place("git", "infra", "base/1.3.0", "blocks/base"), f"git:{'a' * 40}"),
        "consul": Published("consul", "1.1.0", {"base": "~> 1.0"}, Place("directory", "blocks/consul"), SHA),
        "web": Published("web", "1.0.0", {}, Place("image", "web-block", "1.0.0"), SHA),
    },
)


COPIES = {"base": PurePath("h/blocks/base/1-a/tree"), "web": PurePath("h/my blocks/web")}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("immtf upgrade h/blocks/base/1-a/tree --environment x", "immtf upgrade 'a b.lock' --only=base --environment x"),
        ("see `immtf status 'h/my blocks/web' --lab` first", "see `immtf status 'a b.lock' --only=web --lab` first"),
        ("first: `immtf create DIRECTORY_OF_base --lab`", "first: `immtf create 'a b.lock' --only=base --lab`"),
        ("immtf create DIRECTORY_OF_other", "immtf create DIRECTORY_OF_other"),
        ("immtf doctor h/blocks/base/1-a/tree", "immtf doctor h/blocks/base/1-a/tree"),
        ("immtf upgrade h/blocks/base/1-a/treehouse", "immtf upgrade h/blocks/base/1-a/treehouse"),
        ("`immtf upgrade h/blocks/base/1-a/tree --accept-unmarked a`", "`immtf upgrade h/blocks/base/1-a/tree --accept-unmarked a`"),
    ],
)
def test_what_a_block_s_run_says_names_the_lock(said: str, told: str) -> None:
    """But where a command takes no lock, or has an option that only a single block takes."""
    assert named_by_lock(said, "a b.lock", COPIES) == told


@pytest.mark.parametrize("lock", ["o'brien/x.lock", 'we"ird.lock', "back\\slash.lock"], ids=["apostrophe", "quote", "backslash"])
def test_a_record_in_which_a_lock_is_named_stays_one(lock: str) -> None:
    """Its halt would be lost with it."""
    said = named_by_lock(json.dumps({"next": "immtf upgrade h/blocks/base/1-a/tree"}), lock, COPIES)
    assert json.loads(said) == {"next": f"immtf upgrade {shlex.quote(lock)} --only=base"}


def test_what_was_written_is_read_again() -> None:
    text = lock_text(LOCK)
    assert read_lock(text, "immtf.lock") == LOCK
    assert [one.digest for one in read_lock(text, "immtf.lock").blocks.values()] == [one.digest for one in LOCK.blocks.values()]
    assert lock_text(read_lock(text, "immtf.lock")) == text


@given(st.permutations(list(LOCK.blocks)))
def test_the_text_is_sorted(names: list[str]) -> None:
    assert lock_text(Lock(LOCK.asked, {name: LOCK.blocks[name] for name in names})) == lock_text(LOCK)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("infra", Place("directory", "infra")),
        ("directory:x", Place("directory", "directory:x")),
        ("a:b", Place("directory", "a:b")),
        ("git:../infra", Place("git", "../infra")),
        ("image:localhost:5000/x", Place("image", "localhost:5000/x")),
        ("registry:host/x", Place("registry", "host/x")),
    ],
)
def test_places_are_read_and_written(text: str, place: Place) -> None:
    assert read_place(text) == place
    assert str(place) == text


def test_a_place_without_a_name_is_none() -> None:
    with pytest.raises(UsageError, match="names nothing"):
        read_place("git:")


def changed(*path: str, to: Any = None) -> str:
    data = json.loads(lock_text(LOCK))
    entry = data
    for key in path[:-1]:
        entry = entry[key]
    if to is None:
        del entry[path[-1]]
    else:
        entry[path[-1]] = to
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<<<<<<< HEAD\n{}", "is no lock file"),
        ("[]", "is no lock file"),
        ("{}", "it has no `format`"),
        (changed("format", to=2), "is a lock file of format 2, and this immtf reads 1"),
        (changed("asked", to=["base"]), "asked should be texts by name"),
        (changed("blocks", to={}), "locks no block"),
        (changed("blocks", to=[]), "locks no block"),
        (changed("blocks", "base", to="1.3.0"), "blocks.base should have digest, place, requires, version"),
        (changed("blocks", "base", "digest"), "blocks.base should have digest, place, requires, version"),
        (changed("blocks", "base", "more", to="x"), "blocks.base should have"),
        (changed("blocks", "base", "version", to=1), "blocks.base should be texts by name"),
        (changed("blocks", "base", "requires", to=["x"]), "blocks.base.requires should be texts by name"),
        (changed("blocks", "base", "digest", to=SHA), "doesn't say which content is meant"),
        (changed("blocks", "web", "revision"), "doesn't say which content is meant"),
        (changed("blocks", "base", "path", to="../../etc"), "leads out of the repository"),
        (changed("blocks", "base", "path", to="/etc"), "leads out of the repository"),
        (changed("blocks", "../x", to={}), "`../x` is not a block's name"),
        (changed("blocks", "base", "version", to="banana"), "`banana` is not a version"),
        (changed("blocks", "base", "version", to="2.0.0"), "consul 1.1.0 requires base `~> 1.0`, and the lock has base 2.0.0"),
        (changed("blocks", "base"), "consul 1.1.0 requires base `~> 1.0`, and the lock has no base"),
        (changed("blocks", "consul"), "it was asked for consul `~> 1.0`, and the lock has no consul"),
        (changed("asked", "consul", to="~> 2.0"), "it was asked for consul `~> 2.0`, and the lock has consul 1.1.0"),
        (changed("blocks", "consul", "requires", to={"base": "^1"}), "not an operator"),
    ],
)
def test_a_lock_that_cannot_be_used_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_lock(text, "x/immtf.lock")
    assert told in caught.value.what
    assert caught.value.where == "x/immtf.lock"
    assert "immtf resolve" in caught.value.next
