"""However a guest or its controller ends, no process of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.lab.guest.home import INSTANCE_MARK, LAB_MARK
from immtf.lab.guest.processes import marked, running
from immtf.lab.runtime import RuntimeFailed
from tests.contract.runtime_benches import ProcessBench, eventually, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = "trap '' TERM HUP INT; echo begun; while :; do sleep 0.0713; done"
ESCAPED = 'setsid env -i PATH="$PATH" sh -c "trap \'\' TERM; echo begun; while :; do sleep 0.0719; done" & exec sleep 1000'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ProcessBench]:
    made = ProcessBench(tmp_path)
    yield made
    made.runtime.close()


def of_guest(bench: ProcessBench) -> set[int]:
    return marked((LAB_MARK, str(bench.lab)), (INSTANCE_MARK, "i-1"))


def sleeping(seconds: str) -> set[int]:
    """Every process whose command line ends with this number: also those that shook off marks and session."""
    found = set()
    for process in running():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if seconds.encode() in b" ".join(words):
            found.add(process.pid)
    return found - {os.getpid()}


def boot(bench: ProcessBench, command: str, **service: object) -> None:
    bench.image(mounts=[], services=[{"name": "it", "command": ["sh", "-c", command], **service}])
    bench.runtime.boot(make_spec())
    eventually(lambda: "it: begun" in bench.log())


def test_a_service_that_will_not_stop_is_killed_after_its_grace(bench: ProcessBench) -> None:
    boot(bench, STUBBORN, stop_grace_s=0.3)
    bench.runtime.stop("i-1")
    assert not of_guest(bench)
    assert "did not stop within 0.3 s: killed" in bench.log()


def test_what_left_its_session_and_its_environment_ends_with_the_guest(bench: ProcessBench) -> None:
    boot(bench, ESCAPED.replace("0.0719", "0.0720"))
    eventually(lambda: bool(sleeping("0.0720")))
    bench.runtime.stop("i-1")
    assert not sleeping("0.0720")


@pytest.mark.parametrize("force", [False, True])
def test_a_command_under_way_ends_with_the_guest(bench: ProcessBench, force: bool) -> None:
    boot(bench, "echo begun; exec sleep 1000")
    ends: list[object] = []

    def carry_out() -> None:
        try:
            ends.append(bench.runtime.execute("i-1", "sleep 1000", timeout_s=30).exit_code)
        except RuntimeFailed as failed:
            ends.append(failed)

    before = len(of_guest(bench))
    thread = threading.Thread(target=carry_out)
    thread.start()
    eventually(lambda: len(of_guest(bench)) > before)
    bench.runtime.stop("i-1", force=force)
    thread.join(60)
    assert ends == [143] or isinstance(ends[0], RuntimeFailed)
    assert not of_guest(bench)


def test_an_init_that_was_killed(bench: ProcessBench) -> None:
    boot(bench, STUBBORN)
    init = bench.status().pid
    assert init is not None
    os.kill(init, signal.SIGKILL)
    eventually(lambda: not of_guest(bench))
    assert not bench.status().running
    bench.runtime.start("i-1")
    assert bench.runtime.is_running("i-1")


def test_an_init_that_hangs_can_be_ended(bench: ProcessBench) -> None:
    boot(bench, STUBBORN)
    init = bench.status().pid
    assert init is not None
    os.kill(init, signal.SIGSTOP)
    bench.runtime.stop("i-1", force=True)
    assert not of_guest(bench)


def test_a_killed_guest_leaves_its_volume_free_and_its_place_clean(bench: ProcessBench) -> None:
    bench.image()
    bench.runtime.boot(make_spec())
    bench.runtime.create_volume("vol-1")
    bench.runtime.attach("vol-1", "i-1", "/dev/xvdf")
    bench.mounted("vol-1", "i-1")
    bench.runtime.stop("i-1", force=True)
    bench.runtime.detach("vol-1")
    bench.runtime.start("i-1")
    eventually(lambda: bench.status().services == {"beat": "waiting"})
    assert bench.sh('ls "$IMMTF_ROOT/var/lib/data"') == ""


CONTROLLER = """
import sys, time
from pathlib import Path
from tests.contract.runtime_benches import ProcessBench, make_spec
bench = ProcessBench(Path(sys.argv[1]))
bench.image(mounts=[], services=[{"name": "it", "command": ["sh", "-c", sys.argv[2]]}])
for number in (1, 2):
    bench.runtime.boot(make_spec(f"i-{number}", address=f"127.254.10.1{number}"))
bench.runtime.execute("i-1", "sleep 1000 &", timeout_s=5)
print("up", flush=True)
time.sleep(1000)
"""


def test_a_controller_that_was_killed_takes_every_guest_with_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", CONTROLLER, str(tmp_path), ESCAPED.replace("0.0719", "0.0721")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == "up\n"
        eventually(lambda: len(sleeping("0.0721")) >= 2)
        assert marked((LAB_MARK, str(tmp_path / "a lab")))
        controller.kill()
    eventually(lambda: not marked((LAB_MARK, str(tmp_path / "a lab"))) and not sleeping("0.0721"))


def test_nothing_boots_in_a_lab_that_went_down(bench: ProcessBench) -> None:
    bench.image(mounts=[], services=[])
    bench.runtime.close()
    with pytest.raises(RuntimeFailed, match="going down"):
        bench.runtime.boot(make_spec())
