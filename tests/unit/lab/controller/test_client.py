"""Labs as commands start, find and end them; every controller here is a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from immtf.errors import LabFailed
from immtf.lab import client
from immtf.lab.guest.home import LAB_MARK
from immtf.lab.guest.processes import marked, running
from immtf.lab.place import Place
from tests.contract.runtime_benches import eventually, make_tree
from tests.unit.lab.controller.benches import SLEEPER, run_instance

START = "import sys; from pathlib import Path; from immtf.lab import client; client.up(Path(sys.argv[1]), path=[])"


def of_lab(folder: Path) -> set[int]:
    return marked((LAB_MARK, str(folder)))


def alive(pid: int) -> bool:
    return any(process.pid == pid for process in running())


def test_up_find_down(folder: Path) -> None:
    assert client.find(folder) is None
    lab = client.up(folder, path=[])
    assert lab.started
    assert client.find(folder) == client.up(folder, path=[])
    assert client.up(folder, path=[]).pid == lab.pid
    assert (folder / "lab.json").stat().st_mode & 0o777 == 0o600
    assert lab.cidr.startswith(lab.endpoint.removeprefix("http://").removesuffix(".0.1:4566"))
    assert lab.token not in repr(lab)
    assert client.down(folder)
    assert client.find(folder) is None
    eventually(lambda: not alive(lab.pid))
    assert not client.down(folder)
    assert (folder / "controller.log").exists()


def test_the_controller_is_nobody_s_child_and_has_no_terminal(folder: Path) -> None:
    lab = client.up(folder, path=[])
    assert os.getsid(lab.pid) != os.getsid(0)
    parent = int(Path(f"/proc/{lab.pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()
    outputs = {Path(f"/proc/{lab.pid}/fd/{number}").readlink() for number in (0, 1, 2)}
    assert outputs == {Path(os.devnull), folder / "controller.log"}


def test_two_labs_side_by_side(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    first, second = client.up(folder, path=[]), client.up(other, path=[])
    try:
        assert first.cidr != second.cidr
        tree = make_tree(tmp_path / "tree", mounts=[], services=SLEEPER)
        run_instance(first, tree)
        run_instance(second, tree)
        assert client.down(other)
        assert [row.running for row in first.status()] == [True]
        assert not of_lab(other)
    finally:
        client.down(other)


def test_two_ups_at_once_make_one_lab(folder: Path) -> None:
    found: list[client.Lab] = []
    threads = [threading.Thread(target=lambda: found.append(client.up(folder, path=[]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({lab.pid for lab in found}) == 1
    assert sorted(lab.started for lab in found) == [False, False, True]


def test_a_killed_controller_takes_all_with_it_and_is_cleared(folder: Path, tmp_path: Path) -> None:
    lab = client.up(folder, path=[])
    instance_id = run_instance(lab, make_tree(tmp_path / "tree", mounts=[], services=SLEEPER))
    (lab.environments / "one").mkdir(parents=True)
    os.kill(lab.pid, signal.SIGKILL)
    eventually(lambda: not of_lab(folder))
    eventually(lambda: client.find(folder) is None)
    assert (folder / "runtime").exists()
    again = client.up(folder, path=[])
    assert again.cleared == ("the disks of 1 instances",)
    assert again.status() == ()
    assert not again.environments.exists()
    assert "sleeper" in (folder / "logs.before" / f"{instance_id}.log").read_text()
    assert (folder / "logs.before/controller.log").exists()


def test_guests_that_a_dead_lab_left_are_cleared(folder: Path) -> None:
    """The guests notice their controller's death by themselves; this is for what could not."""
    lab = client.up(folder, path=[])
    os.kill(lab.pid, signal.SIGKILL)
    eventually(lambda: client.find(folder) is None)
    left = subprocess.Popen(["sleep", "1000"], env={LAB_MARK: str(folder), "PATH": os.environ["PATH"]}, start_new_session=True)
    eventually(lambda: of_lab(folder) == {left.pid})
    assert "1 processes of the guests" in client.up(folder, path=[]).cleared
    assert left.wait(60) == -signal.SIGKILL


def test_down_clears_what_a_dead_lab_left(folder: Path) -> None:
    lab = client.up(folder, path=[])
    os.kill(lab.pid, signal.SIGKILL)
    eventually(lambda: client.find(folder) is None)
    assert client.down(folder)
    assert not (folder / "lab.json").exists()
    assert not client.down(folder)


def test_sigterm_ends_a_lab_in_order(folder: Path, tmp_path: Path) -> None:
    lab = client.up(folder, path=[])
    run_instance(lab, make_tree(tmp_path / "tree", mounts=[], services=SLEEPER))
    os.kill(lab.pid, signal.SIGTERM)
    eventually(lambda: not Place(folder).is_held())
    assert not of_lab(folder)
    assert not (folder / "lab.json").exists()
    assert not (folder / "runtime").exists()
    assert "down" in (folder / "controller.log").read_text().splitlines()[-1]


def test_a_record_with_somebody_else_s_pid_is_no_lab(folder: Path) -> None:
    """The pid in a record that was left behind may be another program's by now."""
    folder.mkdir()
    record = {
        "endpoint": "http://127.9.0.1:4566",
        "cidr": "127.9.0.0/16",
        "pid": os.getpid(),
        "region": "x",
        "delays": "none",
        "token": "t",
    }
    (folder / "lab.json").write_text(json.dumps(record))
    assert client.find(folder) is None
    assert client.up(folder, path=[]).started


def test_a_lab_that_can_not_start_says_why_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(LabFailed) as failed:
        client.up(folder, path=[], delays="sometimes")
    assert "the controller ended: " in failed.value.what
    assert "invalid choice: 'sometimes'" in failed.value.what
    assert failed.value.where == str(folder / "controller.log")
    assert "controller.log" in failed.value.next
    assert not Place(folder).is_held()


def test_a_lab_that_hangs_can_be_ended(folder: Path, tmp_path: Path) -> None:
    lab = client.up(folder, path=[])
    run_instance(lab, make_tree(tmp_path / "tree", mounts=[], services=SLEEPER))
    os.kill(lab.pid, signal.SIGSTOP)
    assert client.down(folder)
    eventually(lambda: not of_lab(folder))
    assert client.find(folder) is None


def test_only_the_lab_s_own_controller_would_be_killed(folder: Path, tmp_path: Path) -> None:
    """The number in the record of a lab that lives in a container is somebody else's here."""
    lab = client.up(folder, path=[])
    assert client.is_controller(lab.pid, folder)
    assert not client.is_controller(lab.pid, tmp_path / "another")
    assert not client.is_controller(os.getpid(), folder)
    assert not client.is_controller(2**22 + 1, folder), "a number that no process can have"


def test_a_lab_outlives_the_command_that_started_it(folder: Path) -> None:
    """Also when the command is killed with its whole session."""
    program = START + "; import time; print('up', flush=True); time.sleep(1000)"
    root = Path(__file__).parents[4]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "up\n"
        os.killpg(command.pid, signal.SIGKILL)
    lab = client.find(folder)
    assert lab is not None
    assert lab.status() == ()


def test_an_instance_s_output_holds_up_nobody_who_waits_for_the_command(folder: Path) -> None:
    """Nothing of the lab keeps a pipe of the starting command open."""
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", START, str(folder)], cwd=root, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
