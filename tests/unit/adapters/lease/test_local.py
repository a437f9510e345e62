"""The lease between real processes: held by one, told to the other, free as soon as its holder is gone."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.lease import held_lease, holder_of, lease_file
from immtf.errors import ExitCode, ImmtfError, LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from immtf.adapters.lease import held_lease
with held_lease(Path(sys.argv[1]), {"run": "20260102-030405-9f3a", "command": "upgrade"}):
    print("held", flush=True)
    sys.stdin.read()
"""
MINE = {"run": "mine"}


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lease."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_who_holds_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "consul"
    with holder(path), pytest.raises(LeaseHeld, match="run 20260102-030405-9f3a, command upgrade") as caught, held_lease(path, MINE):
        pass
    assert (caught.value.where, caught.value.exit_code) == (str(path), ExitCode.LEASE_HELD)
    assert "immtf status" in caught.value.next


def test_a_holder_that_ended_or_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    for end in ("kill", "close"):
        with holder(path) as child:
            if end == "kill":
                child.kill()
            elif child.stdin:
                child.stdin.close()
            child.wait(30)
            with held_lease(path, MINE):
                assert path.read_text() == '{"run": "mine"}'


def test_it_is_given_back_also_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with pytest.raises(ZeroDivisionError), held_lease(path, MINE):
        raise ZeroDivisionError
    with held_lease(path, MINE), pytest.raises(LeaseHeld, match="run mine"), held_lease(path, MINE):
        pass


def test_a_shorter_holder_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with held_lease(path, {"run": "a" * 200}):
        pass
    with held_lease(path, MINE), pytest.raises(LeaseHeld, match=r"this block: run mine\n"), held_lease(path, MINE):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b"null"])
def test_a_holder_that_wrote_nothing_holds_it_all_the_same(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lease"
    with held_lease(path, MINE):
        path.write_bytes(content)
        with pytest.raises(LeaseHeld, match="it has not said who it is"), held_lease(path, MINE):
            pass


def test_only_its_user_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "consul"
    with held_lease(path, MINE):
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_place_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ImmtfError, match="the lease can't be opened") as caught, held_lease(blocked / "lease", MINE):
        pass
    assert caught.value.where == str(blocked / "lease")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_lock_whose_file_was_removed_is_lost(tmp_path: Path) -> None:
    """F12: a clean-up of the directory lets the next run lock a file of its own."""
    path = tmp_path / "lease"
    with held_lease(path, MINE) as lease:
        lease.confirm()
        path.unlink()
        with pytest.raises(LeaseLost, match="its file was removed") as caught:
            lease.confirm()
        assert caught.value.exit_code == ExitCode.LEASE_LOST
        with held_lease(path, {"run": "another"}), pytest.raises(LeaseLost):
            lease.confirm()


def test_who_holds_it_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    assert holder_of(path) is None
    with holder(path):
        assert holder_of(path) == {"run": "20260102-030405-9f3a", "command": "upgrade"}
        path.write_bytes(b"[]")
        assert holder_of(path) == {}
    assert holder_of(path) is None, "what a dead one wrote says nothing"
    with held_lease(path, MINE):
        pass


def test_the_file_is_the_same_from_everywhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    leases = "immtf/leases/consul-1"
    assert lease_file("consul-1", root, {"XDG_STATE_HOME": "/state", "HOME": "/home/eve"}).as_posix() == f"/state/{leases}"
    assert lease_file("consul-1", root, {"XDG_STATE_HOME": "here", "HOME": "/home/eve"}).as_posix() == f"/home/eve/.local/state/{leases}"


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_it_is_in_the_root_module(tmp_path: Path, environment: dict[str, str]) -> None:
    path = lease_file("consul-1", tmp_path, environment)
    assert path == tmp_path.resolve() / ".terraform" / "immtf-lease"
    with held_lease(path, MINE):
        pass


def test_a_lease_that_is_lent_is_another_s_and_then_this_run_s_again(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with held_lease(path, {"run": "r1"}) as lease:
        with lease.lend({"run": "r1"}):
            with pytest.raises(LeaseLost, match="is not back"):
                lease.confirm()
            with held_lease(path, {"run": "r2"}):
                assert holder_of(path) == {"run": "r2"}
        lease.confirm()
        assert holder_of(path) == {"run": "r1"}


def test_a_lease_that_somebody_kept_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with ExitStack() as other, held_lease(path, {"run": "r1"}) as lease:
        with pytest.raises(LeaseLost, match="run r2"), lease.lend({"run": "r1"}):
            other.enter_context(held_lease(path, {"run": "r2"}))
        with pytest.raises(LeaseLost):
            lease.confirm()
