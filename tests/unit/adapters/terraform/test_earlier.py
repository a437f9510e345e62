from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform.earlier import await_earlier, hidden_children, live_children, orphans
from immtf.errors import Interrupted, TerraformFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.adapters.terraform.stream import TerraformEvent


class Time:
    """A clock that moves only by sleeping, and ends a process when its hour has come."""

    def __init__(self, end_at: float = float("inf"), child: subprocess.Popen[bytes] | None = None) -> None:
        self.now = 0.0
        self._end_at = end_at
        self._child = child

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._child is not None and self.now >= self._end_at:
            self._child.kill()
            self._child.wait()


@pytest.fixture(params=["terraform", "tofu", "terraform-provider-aws_v3.39.0_x5"])
def child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A real process under the name of Terraform or of a provider, at work in `tmp_path`."""
    program = tmp_path / "bin" / request.param
    program.parent.mkdir()
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "60"], cwd=tmp_path)
    yield process
    process.kill()
    process.wait()


def wait(root: Path, time: Time, events: list[TerraformEvent], *, cancelled: bool = False) -> None:
    await_earlier(root, limit_s=10, listen=events.append, cancelled=lambda: cancelled, sleep=time.sleep, monotonic=time.monotonic)


def test_children_are_known_by_directory_and_name(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    assert live_children(tmp_path) == (child.pid,)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert live_children(link) == (child.pid,)
    assert live_children(tmp_path / "bin") == ()
    assert live_children(tmp_path, proc=tmp_path / "bin") == ()


def test_another_program_in_the_same_directory_is_none(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        assert live_children(tmp_path) == ()
        assert live_children(tmp_path, programs=(Path(f"/proc/{process.pid}/exe").readlink().name,)) == (process.pid,)
    finally:
        process.kill()
        process.wait()


def test_waiting_is_told_once_and_ends_with_the_child(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    events: list[TerraformEvent] = []
    wait(tmp_path, Time(5, child), events)
    assert [(event.kind, str(child.pid) in event.message) for event in events] == [("waiting", True)]


def test_waiting_has_a_limit_and_names_the_process(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TerraformFailed, match=f"process {child.pid}.* after 10 s"):
        wait(tmp_path, Time(), [])


def test_waiting_ends_when_asked(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    assert child.poll() is None
    with pytest.raises(Interrupted):
        wait(tmp_path, Time(), [], cancelled=True)


def test_with_no_child_nothing_is_told_or_asked(tmp_path: Path) -> None:
    events: list[TerraformEvent] = []
    asked = threading.Event()
    await_earlier(
        tmp_path, limit_s=0, listen=events.append, cancelled=lambda: bool(asked.set()), sleep=Time().sleep, monotonic=Time().monotonic
    )
    assert events == []
    assert not asked.is_set()


def test_a_zombie_is_not_alive(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    """It has ended, and nobody reaped it: under a process 1 that reaps nothing a run would wait for it for ever."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    assert live_children(tmp_path) == ()
    assert child.pid not in hidden_children()
    events: list[TerraformEvent] = []
    wait(tmp_path, Time(), events)
    assert events == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_of_another_users_processes_the_name_is_all_that_is_seen(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    """They are not taken for absent, nor for at work here: they are told."""
    asks = (
        "import os, pathlib, sys\n"
        "from immtf.adapters.terraform.earlier import hidden_children, live_children, tell_hidden\n"
        "os.setuid(65534)\n"
        "told = []\ntell_hidden(told.append)\n"
        "pid, root = int(sys.argv[1]), pathlib.Path(sys.argv[2])\n"
        "print(pid in hidden_children(), live_children(root), sum(str(pid) in event.message for event in told))\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", asks, str(child.pid), str(tmp_path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "()", "1"]
    assert child.pid not in hidden_children(), "for its own user nothing of it is hidden"


def stands_in_proc(proc: Path, pid: int, parent: int, state: str = "S", exe: str = "terraform") -> None:
    entry = proc / str(pid)
    entry.mkdir(parents=True)
    (entry / "exe").symlink_to(f"/bin/{exe}")
    (entry / "stat").write_text(f"{pid} (a (b) c) {state} {parent} 1 1")


def test_orphans_are_those_that_process_1_was_handed(tmp_path: Path) -> None:
    me = os.getpid()
    assert orphans(proc=tmp_path) == (), "there is no /proc"
    (tmp_path / "self").symlink_to("1234567")
    stands_in_proc(tmp_path, 21, me)
    assert orphans(proc=tmp_path) == (), "it is another namespace's"
    (tmp_path / "self").unlink()
    (tmp_path / "self").symlink_to(str(me))
    stands_in_proc(tmp_path, 22, me, exe="terraform-provider-aws_v3.39.0_x5")
    stands_in_proc(tmp_path, 23, 21)
    stands_in_proc(tmp_path, 24, me, "Z")
    stands_in_proc(tmp_path, 25, me, exe="consul")
    (tmp_path / "26").mkdir()
    (tmp_path / "26" / "exe").symlink_to("/bin/terraform")
    assert orphans(proc=tmp_path) == (21, 22)
