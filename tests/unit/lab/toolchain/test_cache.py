"""The cache holds whole things only, and runs side by side fill it once."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from immtf.errors import ImmtfError
from immtf.lab.toolchain import Cache, cache_directory
from tests.fakes.clock import VirtualClock


def fill(into: Path) -> None:
    (into / "file").write_text("whole")


def test_a_thing_is_made_once(tmp_path: Path) -> None:
    made: list[str] = []

    def make(into: Path) -> None:
        made.append(into.name)
        fill(into)

    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        assert (cache.once("thing", make) / "file").read_text() == "whole"
    assert len(made) == 1


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        fill(into)
        raise ImmtfError("half way")

    with pytest.raises(ImmtfError, match="half way"):
        Cache(tmp_path).once("thing", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".making-thing.123"
    left.mkdir()
    (left / "half").touch()
    Cache(tmp_path).once("thing", fill)
    assert not left.exists()


def test_several_at_once_make_it_once(tmp_path: Path) -> None:
    made: list[str] = []
    start = threading.Barrier(4)

    def make(into: Path) -> None:
        made.append(into.name)
        fill(into)

    def run() -> None:
        start.wait(60)
        Cache(tmp_path).once("thing", make)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1


def test_a_lock_that_is_never_freed_ends_the_wait(tmp_path: Path) -> None:
    clock = VirtualClock()
    with (tmp_path / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ImmtfError, match="another run has been fetching tools for 30 s"):
            Cache(tmp_path, 30.0, clock.monotonic, clock.sleep).once("thing", fill)
    assert 30 <= clock.now < 31


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.raises(ImmtfError, match="XDG_CACHE_HOME"):
        cache.once("thing", fill)
    with pytest.raises(ImmtfError, match="can't write to the cache"):
        cache.write("small", "text")


def test_a_small_file_is_written_when_it_changes(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = cache.write("small", "one")
    stamp = first.stat().st_ino
    assert cache.write("small", "one").stat().st_ino == stamp
    assert cache.write("small", "two").read_text() == "two"


@pytest.mark.parametrize(("base", "expected"), [("/x", "/x/immtf/toolchain"), ("", "/home/u/.cache/immtf/toolchain"), ("x", None)])
def test_where_the_cache_is(base: str, expected: str | None) -> None:
    found = cache_directory({"XDG_CACHE_HOME": base}, Path("/home/u"))
    assert found == Path(expected or "/home/u/.cache/immtf/toolchain")
