from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from immtf.adapters.process import Command, Ending, capture, follow
from immtf.errors import ImmtfError, ToolMissing

# Counts its interrupts in a file; ends on the first one after a while, or never.
COUNTS = """
import pathlib, signal, sys, time
stubborn = sys.argv[1] == "stubborn"
seen = pathlib.Path("seen")
def count(*_):
    with seen.open("a") as to: to.write("x")
signal.signal(signal.SIGINT, count)
print("ready", flush=True)
while stubborn or not seen.exists(): time.sleep(0.01)
time.sleep(0.5)
sys.exit(3)
"""


def make_command(cwd: Path, *argv: str, **more: Any) -> Command:
    given: dict[str, Any] = {"argv": argv, "cwd": cwd, "environment": {"PATH": os.environ["PATH"]}, "limit_s": 20.0, "patience_s": 10.0}
    return Command(**(given | more))


def shell(cwd: Path, script: str, **more: Any) -> Command:
    return make_command(cwd, "sh", "-c", script, **more)


def test_lines_come_while_the_child_runs_and_the_files_are_private(tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []
    out = tmp_path / "out"
    done = follow(
        shell(tmp_path, "echo one; echo broken >&2; sleep 0.4; printf 'tw'; sleep 0.2; printf 'o\\nthree'; touch end; exit 4"),
        stdout=out,
        stderr=tmp_path / "err",
        on_line=lambda line: seen.append((line, (tmp_path / "end").exists())),
    )
    assert seen == [("one", False), ("two", True), ("three", True)]
    assert (done.exit_code, done.ending, done.late) == (4, Ending.BY_ITSELF, False)
    assert done.seconds >= 0.6
    assert (tmp_path / "err").read_text() == "broken\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_the_child_has_a_session_of_its_own_no_input_and_only_its_environment(tmp_path: Path) -> None:
    done = capture(shell(tmp_path, 'cat; echo "$(ps -o sid= -p $$ | tr -d " ")=$$"; env | grep -c "^HOME="'))
    session, count = done.stdout.split()
    assert len(set(session.split("="))) == 1
    assert count == "0"


@pytest.mark.parametrize("limit_s", [60.0, 5.0])
def test_exactly_one_interrupt_however_it_is_asked(tmp_path: Path, limit_s: float) -> None:
    """S2: asked ten times a second, or past its limit, or both: a Terraform that gets a second one drops what it has just made."""
    done = follow(
        make_command(tmp_path, sys.executable, "-c", COUNTS, "willing", limit_s=limit_s),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        interrupted=lambda: limit_s > 10 and (tmp_path / "out").read_text() == "ready\n",
    )
    assert (tmp_path / "seen").read_text() == "x"
    assert done.exit_code == 3
    assert done.ending is (Ending.INTERRUPTED if limit_s > 10 else Ending.LATE)


def test_a_stubborn_child_is_killed_with_its_group_after_its_patience(tmp_path: Path) -> None:
    done = follow(
        make_command(tmp_path, sys.executable, "-c", COUNTS, "stubborn", limit_s=5.0, patience_s=0.3),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
    )
    assert (done.exit_code, done.ending, done.late) == (-signal.SIGKILL, Ending.KILLED, True)
    assert (tmp_path / "seen").read_text() == "x"


def test_an_interrupt_that_was_asked_for_kills_only_past_the_limit(tmp_path: Path) -> None:
    done = follow(
        make_command(tmp_path, sys.executable, "-c", COUNTS, "stubborn", limit_s=5.0, patience_s=0.2),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        interrupted=lambda: (tmp_path / "out").read_text() == "ready\n",
    )
    assert done.ending is Ending.KILLED
    assert done.seconds > 5.0


def test_a_listener_that_fails_leaves_no_child_behind(tmp_path: Path) -> None:
    seen: list[str] = []

    def fail(line: str) -> None:
        seen.append(line)
        raise OSError("the journal's disk is full")

    with pytest.raises(OSError, match="disk is full"):
        follow(shell(tmp_path, "echo a; sleep 0.3; echo b; touch end"), stdout=tmp_path / "o", stderr=tmp_path / "e", on_line=fail)
    assert (tmp_path / "end").exists()
    assert seen == ["a"]


def test_a_child_outlives_its_killed_parent(tmp_path: Path) -> None:
    """With a pipe it would die of SIGPIPE at its next line."""
    program = (
        "import pathlib, sys; from immtf.adapters.process import Command, follow\n"
        "at = pathlib.Path(sys.argv[1])\n"
        "follow(Command(argv=['sh', '-c', 'touch begun; for i in 1 2 3 4; do echo $i; sleep 0.3; done; touch end'], cwd=at,"
        " environment={'PATH': sys.argv[2]}, limit_s=60), stdout=at / 'o', stderr=at / 'e', on_line=print)\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": os.environ["PATH"]}
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), os.environ["PATH"]], env=environment, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < end:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert not (tmp_path / "end").exists()
    while not (tmp_path / "end").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tmp_path / "o").read_text() == "1\n2\n3\n4\n"


def test_capture(tmp_path: Path) -> None:
    done = capture(shell(tmp_path, "printf 'a\\377b'; echo err >&2; exit 7"))
    assert (done.exit_code, done.stdout, done.stderr) == (7, "a�b", "err\n")
    late = capture(shell(tmp_path, "exec sleep 20", limit_s=0.3))
    assert late.exit_code == -1
    assert "ended after its limit of 0.3 s" in late.stderr


def test_what_can_not_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="can't start nosuchprogram: No such file"):
        capture(make_command(tmp_path, "nosuchprogram"))
    (tmp_path / "text").write_text("")
    with pytest.raises(ToolMissing, match="Permission denied"):
        capture(make_command(tmp_path, str(tmp_path / "text")))
    with pytest.raises(ImmtfError, match="no such directory"):
        capture(shell(tmp_path / "nosuch", "true"))
    with pytest.raises(ImmtfError, match="can't write"):
        follow(shell(tmp_path, "true"), stdout=tmp_path / "no/o", stderr=tmp_path / "e")
