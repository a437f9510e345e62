"""The tether: who holds it lives; who hangs on it ends with it."""

from __future__ import annotations

import subprocess
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.tether import VARIABLE, held, is_held, of_the_dead, tether_of, tethered
from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 60.0
HOLD = """
import pathlib, sys, time
from immtf.adapters.tether import held
with held(pathlib.Path(sys.argv[1])):
    print(flush=True)
    time.sleep(99)
"""


def test_it_is_held_as_long_as_its_body(tmp_path: Path) -> None:
    path = tmp_path / "new/tether"
    assert not is_held(path)
    with held(path):
        assert is_held(path)
        with pytest.raises(ImmtfError, match="another test works"), held(path):
            pass
        assert is_held(path)
    assert not path.exists()


def test_it_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    path, ends, twice = tmp_path / "tether", [], Event()

    def end() -> None:
        ends.append(len(ends))
        if len(ends) > 1:
            twice.set()

    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with tethered(path, end=end, look_s=0.02, again_s=0.05):
            child.kill()
            assert twice.wait(LIMIT_S), "asked twice"
    assert ends == [0, 1]


def test_who_is_done_first_is_asked_nothing(tmp_path: Path) -> None:
    ends: list[int] = []
    with held(tmp_path / "tether") as path, tethered(path, end=lambda: ends.append(1), look_s=0.01):
        pass
    with tethered(None, end=lambda: ends.append(1)):
        pass
    assert ends == []


def test_one_that_nobody_holds_is_refused(tmp_path: Path) -> None:
    """As where the home is another machine's: what is made there would be found by nobody."""
    with pytest.raises(ImmtfError, match="can't be seen from here"), tethered(tmp_path / "tether"):
        pass


def test_one_that_can_not_be_looked_at_is_not_a_dead_one_s(tmp_path: Path) -> None:
    """Unknown is not dead: what is taken for dead is taken down."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert is_held(loop)
    with of_the_dead(loop) as dead:
        assert not dead
    with pytest.raises(ImmtfError, match="can't be seen from here"), tethered(loop):
        pass


def test_who_takes_away_what_a_dead_one_left_keeps_a_new_one_waiting(tmp_path: Path) -> None:
    path, seen = tmp_path / "tether", []
    path.touch()

    def hold() -> None:
        with held(path):
            seen.append(is_held(path))

    new = Thread(target=hold)
    with of_the_dead(path) as dead:
        new.start()
        assert dead
        assert not seen
        path.unlink()
    new.join(LIMIT_S)
    assert seen == [True], "it holds a file that others see, not the one that was taken away"
    with held(path), of_the_dead(path) as dead:
        assert not dead


def test_where_it_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImmtfError, match="can't be made"), held(tmp_path / "file/tether"):
        pass


def test_it_is_named_by_a_variable(tmp_path: Path) -> None:
    assert tether_of({VARIABLE: str(tmp_path)}) == tmp_path
    assert tether_of({VARIABLE: ""}) is None
