"""immtf as process 1: real processes, in a process namespace of their own where this machine allows one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMESPACE = ["unshare", *(() if os.getuid() == 0 else ("--user", "--map-root-user")), "--fork", "--kill-child", "--pid", "--mount-proc"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
HEAD = """
import os, signal, subprocess, sys, time
from immtf.adapters.init import run_under
got = []
def body():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _f: got.append(signal.Signals(n).name))
    {body}
sys.exit(run_under(body, orphans_s={orphans_s}))
"""
WAITS = """
    print("ready", flush=True)
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        time.sleep(0.05)
    print(*got, flush=True)
    sys.exit(7)
"""


def may_unshare() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


needs_namespace = pytest.mark.skipif(not may_unshare(), reason="this machine lets nobody make a process namespace")


def program(body: str, *, orphans_s: float = 20.0) -> list[str]:
    return [sys.executable, "-c", HEAD.format(body=body.strip(), orphans_s=orphans_s)]


def begin(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def first_in(namespace: subprocess.Popen[str]) -> int:
    """Return the id, here, of the namespace's process 1: the one child of `unshare`."""
    children = Path(f"/proc/{namespace.pid}/task/{namespace.pid}/children").read_text().split()
    return int(children[0])


@pytest.mark.parametrize(("end", "code"), [("sys.exit(24)", 24), ("pass", 0), ("os.kill(os.getpid(), signal.SIGKILL)", 137)])
def test_it_ends_as_its_child_did(end: str, code: int) -> None:
    """S1, S2: the exit codes of a run are those of the container."""
    assert subprocess.run(program(end), env=ENVIRONMENT, check=False, timeout=60).returncode == code


@needs_namespace
def test_a_signal_reaches_the_run_once() -> None:
    """S1, S2: `docker stop` and `docker kill` speak to process 1 only, and an init that did nothing would swallow it."""
    with begin([*NAMESPACE, *program(WAITS)]) as namespace:
        assert namespace.stdout is not None
        assert namespace.stdout.readline() == "ready\n"
        first = first_in(namespace)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(first, number)
            time.sleep(0.2)
        assert namespace.stdout.read().split() == ["SIGTERM", "SIGINT"]
    assert namespace.returncode == 7


@needs_namespace
def test_a_ctrl_c_reaches_the_run_once() -> None:
    """S1: the terminal's signal goes to the run's own group, and is not passed on a second time."""
    script = shutil.which("script")
    if script is None:
        pytest.skip("there is no `script` to make a terminal with")
    inner = " ".join(f"'{part}'" for part in [*NAMESPACE, sys.executable, "-c"])
    body = HEAD.format(body=WAITS.strip(), orphans_s=1)
    command = [script, "-qec", f'{inner} "$BODY"', "/dev/null"]
    with subprocess.Popen(command, env=ENVIRONMENT | {"BODY": body}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        assert terminal.stdout.readline().strip() == "ready"
        terminal.stdin.write("\x03")
        terminal.stdin.flush()
        said = terminal.stdout.read()
    assert said.count("SIGINT") == 1


@needs_namespace
def test_orphans_are_reaped() -> None:
    """A provider whose Terraform died is handed to process 1; as a zombie it would look alive to whoever counts processes."""
    body = """
    subprocess.run(["sh", "-c", "sleep 0.1 & sleep 0.1 &"])
    def state(pid):
        try:
            return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        except OSError:  # it has just been reaped
            return ""
    end, states = time.monotonic() + 30, []
    while len(states) != 2 and time.monotonic() < end:
        time.sleep(0.1)
        states = [told for pid in os.listdir("/proc") if pid.isdigit() and (told := state(pid))]
    print(len(states), states.count("Z"))
    sys.exit(0)
"""
    with begin([*NAMESPACE, *program(body)]) as namespace:
        assert namespace.stdout is not None
        assert namespace.stdout.read().split() == ["2", "0"], "process 1 and its child, nothing dead"


@needs_namespace
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_terraform_that_was_left_gets_its_time(tmp_path: Path, interrupted: bool) -> None:
    """S2: immtf was killed in the container; its Terraform ends on its own before the container does, or after one interrupt."""
    terraform = tmp_path / "terraform"
    shutil.copy(sys.executable, terraform)
    work = (
        "import signal, time, pathlib, sys\n"
        "got = []\nsignal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "pathlib.Path('begun').touch()\nend = time.monotonic() + (1.0 if sys.argv[1] == 'False' else 20.0)\n"
        "while time.monotonic() < end and not got: time.sleep(0.05)\n"
        "time.sleep(0.6)\npathlib.Path('ended').write_text(str(len(got)))\n"
    )
    body = f"""
    subprocess.Popen([{str(terraform)!r}, "-c", {work!r}, {str(interrupted)!r}], cwd={str(tmp_path)!r}, start_new_session=True,
        env={{**os.environ, "PYTHONHOME": {sys.base_prefix!r}}})
    while not os.path.exists({str(tmp_path / "begun")!r}): time.sleep(0.02)
    print("left", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with begin([*NAMESPACE, *program(body)]) as namespace:
        assert namespace.stdout is not None
        assert namespace.stdout.readline() == "left\n"
        first = first_in(namespace)
        time.sleep(0.2)
        for _again in range(2 if interrupted else 0):
            os.kill(first, signal.SIGTERM)
            time.sleep(0.1)
        namespace.wait(30)
    assert (tmp_path / "ended").read_text() == ("1" if interrupted else "0")
    assert namespace.returncode == 137


@needs_namespace
def test_the_program_itself_runs_so() -> None:
    """S1: `python -m immtf` as process 1 does what it does elsewhere, and exits as it does."""
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "immtf", "--version"], env=ENVIRONMENT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.startswith("immtf")) == (0, True)
    wrong = subprocess.run([*NAMESPACE, sys.executable, "-m", "immtf", "--nosuch"], env=ENVIRONMENT, check=False, capture_output=True)
    assert wrong.returncode == 2
