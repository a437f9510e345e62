"""Runs of tests that need no node: what lies about them, how they end, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.testinfra import PytestChecks, run_checks
from immtf.adapters.testinfra.command import argv, child_environment
from immtf.adapters.testinfra.plugin import BEYOND_S
from immtf.adapters.testinfra.runs import hindrance
from immtf.model import block
from immtf.model.checking import BlockFacts, CheckFacts, Connection, NodeFacts, facts_to_json

if TYPE_CHECKING:
    from immtf.model.verdict import Verdict

LIMIT_S = 60.0
FACTS = CheckFacts(node=NodeFacts(name="server/a", key="a", instance_id="i-1", address="127.0.0.1"), block=BlockFacts(name="consul"))
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def write(directory: Path, **files: str) -> Path:
    """Write these files of tests, and return their directory."""
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return directory


def run(tests: Path, *, limit_s: float = LIMIT_S, environment: dict[str, str] | None = None, **more: Any) -> Verdict:
    return run_checks(tests, connection=Connection(), facts=FACTS, environment=ENVIRONMENT | (environment or {}), limit_s=limit_s, **more)


def running(mark: str) -> list[int]:
    """Return the processes that have a word of their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [int(place.parent.name)] if mark.encode() in words else []
    return found


def gone(mark: str) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running(mark)


def test_nothing_that_lies_about_the_tests_has_a_part_in_them(tmp_path: Path) -> None:
    """Neither settings and fixtures from above, nor options of the environment; their own are theirs, and nothing is written there."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('from above')")
    tests = write(
        tmp_path / "tests",
        conftest="import pytest\n@pytest.fixture\ndef mine(node): return node.key\n",
        words="HELLO = 'a'\n",
        json="raise RuntimeError('no module of the standard library is shadowed')\n",
        test_a="import os\nfrom words import HELLO\ndef test_a(mine, block):\n    assert (mine, block.name) == (HELLO, 'consul')\n"
        "def test_where(): assert os.path.exists('words.py') and 'PYTEST_ADDOPTS' not in os.environ\n",
    )
    before = sorted(path.name for path in tests.iterdir())
    assert run(tests, environment={"PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "no_such"}).reason == "2 passed"
    assert sorted(path.name for path in tests.iterdir()) == before
    (tests / "pytest.ini").write_text("[pytest]\npython_functions = check_*\n")
    write(tests, test_a="def check_a(): pass\ndef test_b(): assert False\n")
    assert run(tests).reason == "1 passed"


def test_a_place_with_marks_that_mean_something_to_pytest(tmp_path: Path) -> None:
    tests = write(tmp_path / "a [b] c::d", test_a="def test_a(): pass")
    (tmp_path / "link").symlink_to(tests)
    assert run(tests).reason == "1 passed"
    assert run(tests / "test_a.py").reason == "1 passed"
    assert run(tmp_path / "link" / ".." / "link").reason == "1 passed"


@pytest.mark.parametrize(
    ("text", "reason", "final"),
    [
        ("def test_a(: pass", "test_a.py can't be read: SyntaxError: invalid syntax (line 1)", True),
        ("import nothing_here", "test_a.py can't be read: ModuleNotFoundError: No module named 'nothing_here'", True),
        ("def helper(): pass", "there is not one test", True),
        ("import os\ndef test_a(): os._exit(0)", "pytest ended with 0: it left no report", False),
        ("import pytest\npytest.exit('enough', 0)", "test_a.py can't be read: Exit: enough", True),
        ("import pytest\ndef test_a(): pytest.skip('why not')", "all of 1 were skipped: why not", False),
        ("def test_a(unknown): pass", "1 of 1 failed: test_a: fixture 'unknown' not found", False),
    ],
)
def test_what_is_no_pass(tmp_path: Path, text: str, reason: str, final: bool) -> None:
    verdict = run(write(tmp_path / "tests", test_a=text))
    assert not verdict.held
    assert reason in verdict.reason
    assert verdict.final is final
    assert verdict.next


def test_settings_of_their_own_that_are_none(tmp_path: Path) -> None:
    tests = write(tmp_path / "tests", test_a="def test_a(): pass")
    (tests / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    verdict = run(tests)
    assert verdict.final
    assert "--no-such-option" in verdict.reason
    (tests / "pytest.ini").unlink()
    write(tests, conftest="import nothing_here")
    verdict = run(tests)
    assert verdict.final
    assert "No module named 'nothing_here'" in verdict.reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def test_a(host): open('ran', 'w')", ""),
        ("def test_a(: pass", "test_a.py can't be read: SyntaxError"),
        ("import nothing_here", "No module named 'nothing_here'"),
        ("def helper(): pass", "there is not one test"),
        ("import time\ntime.sleep(1000)", "not ended within 3 s"),
    ],
)
def test_whether_tests_could_be_run_is_known_without_a_node(tmp_path: Path, text: str, told: str) -> None:
    gate = block.TestinfraGate(tests=write(tmp_path / "tests", test_a=text), timeout_s=3 if "sleep" in text else LIMIT_S)
    verdict = PytestChecks(ENVIRONMENT).ready(gate)
    assert verdict.held is not bool(told)
    assert told in verdict.reason
    assert [path.name for path in gate.tests.iterdir()] == ["test_a.py"]
    assert not PytestChecks(ENVIRONMENT).ready(block.TestinfraGate(tests=gate.tests, connection="ssh", key_env="NO_SUCH")).held


STUBBORN = """
import signal, subprocess, sys, time
def test_before(): assert 1 == 2
def test_hangs():
    signal.signal(signal.SIGINT, {handler})
    subprocess.Popen(["sleep", "{mark}"])
    time.sleep(1000)
"""


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "signal.default_int_handler"])
def test_a_run_is_ended_at_its_limit_with_all_it_started(tmp_path: Path, handler: str) -> None:
    mark = f"98{os.getpid()}{len(handler)}"
    began = time.monotonic()
    verdict = run(write(tmp_path / "tests", test_a=STUBBORN.format(handler=handler, mark=mark)), limit_s=3)
    assert "not ended within 3 s; test_hangs was under way" in verdict.reason
    assert ("test_before: assert 1 == 2" in verdict.reason) is (handler != "signal.SIG_IGN"), "what was found out by then is told"
    assert not verdict.final
    assert gone(mark)
    assert time.monotonic() - began < LIMIT_S


def test_a_run_that_ends_well_leaves_nothing_running(tmp_path: Path) -> None:
    mark = f"97{os.getpid()}"
    verdict = run(write(tmp_path / "tests", test_a=f"import subprocess\ndef test_a(): subprocess.Popen(['sleep', '{mark}'])\n"))
    assert verdict.held
    assert gone(mark)


def test_a_wish_to_end_ends_the_tests(tmp_path: Path) -> None:
    began, told = time.monotonic(), tmp_path / "tests/begun"
    tests = write(tmp_path / "tests", test_a="import time\ndef test_a():\n    open('begun', 'w').close()\n    time.sleep(1000)\n")
    verdict = run(tests, limit_s=300, interrupted=told.exists)
    assert verdict.reason == "the tests were interrupted, as asked"
    assert time.monotonic() - began < LIMIT_S


def test_the_tests_end_themselves_where_nobody_is_left_to_end_them(tmp_path: Path) -> None:
    """The program that started them was killed: some time past their limit they and their children are gone."""
    mark = f"96{os.getpid()}"
    tests = write(tmp_path / "tests", test_a=STUBBORN.format(handler="signal.SIG_IGN", mark=mark))
    facts = tmp_path / "facts.json"
    told = {**facts_to_json(FACTS, Connection()), "limit_s": 4 - BEYOND_S, "under_way": str(tmp_path / "under-way")}
    facts.write_text(json.dumps(told))
    environment = child_environment(ENVIRONMENT, package=Path(__file__).parents[4], facts=facts)
    command = argv(sys.executable, tests, scratch=tmp_path, settings=None)
    child = subprocess.Popen(command, cwd=tests, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    assert child.wait(LIMIT_S) == -signal.SIGKILL
    assert gone(mark)


def test_the_plugin_alone_says_what_it_is_for(tmp_path: Path) -> None:
    tests = write(tmp_path / "tests", test_a="def test_a(): pass")
    environment = child_environment(ENVIRONMENT, package=Path(__file__).parents[4], facts=tmp_path / "nothing")
    command = argv(sys.executable, tests, scratch=tmp_path, settings=None)
    done = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 4
    assert "names no file of facts; immtf runs these tests" in done.stderr


@pytest.mark.parametrize(
    ("connection", "facts", "absent", "environment", "reason", "mend"),
    [
        (Connection(), FACTS, {"pytest"}, ENVIRONMENT, "pytest can't be imported", "pip install 'immtf[testinfra]'"),
        (Connection(), FACTS, {"pytest", "testinfra"}, ENVIRONMENT, "pytest and testinfra can't be imported", "pip install"),
        (Connection(way="docker", container="x"), FACTS, set(), {"PATH": "/nowhere"}, "no program `docker`", "another `connection`"),
        (Connection(way="ssh"), FACTS, set(), {"PATH": "/nowhere"}, "no program `ssh`", "another `connection`"),
        (Connection(), CheckFacts(), set(), ENVIRONMENT, "nobody knows where to reach the node by ssm", ""),
    ],
    ids=["pytest", "both", "docker", "ssh", "nobody"],
)
def test_what_keeps_tests_from_running_is_told(
    tmp_path: Path, connection: Connection, facts: CheckFacts, absent: set[str], environment: dict[str, str], reason: str, mend: str
) -> None:
    tests = write(tmp_path / "tests", test_a="")
    verdict = hindrance(tests, connection, facts, environment, lambda package: package not in absent)
    assert verdict is not None
    assert reason in verdict.reason
    assert mend in verdict.next
    assert verdict.final is bool(mend)


def test_tests_that_went_away_are_told(tmp_path: Path) -> None:
    verdict = run(tmp_path / "tests")
    assert verdict.final
    assert "there is nothing at" in verdict.reason


@pytest.mark.parametrize(
    ("held", "reason"), [("", "is not set"), ("-----BEGIN PRIVATE KEY-----\nMII" + "x" * 5000, "doesn't hold the path")]
)
def test_a_key_is_named_by_its_file_and_never_shown(tmp_path: Path, held: str, reason: str) -> None:
    gate = block.TestinfraGate(tests=write(tmp_path / "tests", test_a=""), connection="ssh", key_env="NODE_KEY_FILE")
    verdict = PytestChecks(ENVIRONMENT | {"NODE_KEY_FILE": held}).run(gate, FACTS)
    assert verdict.final
    assert f"the variable NODE_KEY_FILE {reason}" in verdict.reason
    assert "BEGIN" not in verdict.reason + verdict.next


def test_a_gate_s_connection_reaches_the_tests(tmp_path: Path) -> None:
    """The port: the key's file, the container's name filled in, the gate's own limit."""
    key = tmp_path / "key"
    key.touch()
    tests = write(
        tmp_path / "tests",
        test_a="import json, os\ndef test_a(request):\n    told = json.load(open(os.environ['IMMTF_CHECK_FACTS']))\n"
        "    assert told['connection'] == json.loads(os.environ['WANTED'])\n    assert told['limit_s'] == 77\n",
    )
    wanted = {"way": "docker", "user": "", "port": 22, "identity": str(key), "container": "x-a-i-1-127.0.0.1"}
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "docker").write_text("#!/bin/sh\n")
    (bin_ / "docker").chmod(0o755)
    environment = ENVIRONMENT | {"KEY": str(key), "WANTED": json.dumps(wanted), "PATH": f"{bin_}:{os.environ['PATH']}"}
    container = "x-{node}-{instance_id}-{address}"
    gate = block.TestinfraGate(tests=tests, connection="docker", key_env="KEY", container=container, timeout_s=77)
    assert PytestChecks(environment).run(gate, FACTS).reason == "1 passed"
