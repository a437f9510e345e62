"""The `Checks` port: the same cases on the simulation's fake and on pytest over SSM, as the lab serves it, on an instance that runs."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from werkzeug.serving import make_server

from immtf.adapters.testinfra import PytestChecks
from immtf.lab.ssm import Ssm as LabSsm
from immtf.model import block
from immtf.model.checking import BlockFacts, CheckFacts, NodeFacts, VolumeFacts
from tests.contract.runtime_benches import DATA, MOUNTS, ProcessBench, make_spec
from tests.fakes.builders import A
from tests.fakes.checks import FakeChecks
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.run.ports import Checks

LIMIT_S = 60.0
SERVES = "def test_service(host, root):\n    assert host.file(f'{root}/serves').exists\n"


class Bench(Protocol):
    """A node whose tests pass, and how its service is stopped and its instance put out of reach."""

    checks: Checks
    gate: block.TestinfraGate
    facts: CheckFacts

    def serve(self, *, well: bool) -> None:
        """Let what the tests look at be well or not."""

    def gone(self) -> CheckFacts:
        """Return the facts of an instance that can't be reached."""


class FakeBench:
    """The simulation."""

    def __init__(self) -> None:
        scene = make_scene(3)
        world = scene.world()
        world.survey()
        self._sim = scene.sim
        self.checks: Checks = FakeChecks(scene.sim)
        self.gate = block.TestinfraGate(tests=Path("/blocks/consul/tests"), timeout_s=LIMIT_S)
        self.facts = world.check_facts(A)

    def serve(self, *, well: bool) -> None:
        (item,) = self._sim.live("a")
        item.serving = well

    def gone(self) -> CheckFacts:
        return replace(self.facts, node=replace(self.facts.node, instance_id="i-gone"))


class RealBench:
    """pytest in a child, boto3, the lab's SSM, a guest's own shell."""

    def __init__(self, lab: ProcessBench, url: str, tests: Path) -> None:
        self.lab, self.tests = lab, tests
        environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1"}
        self.checks: Checks = PytestChecks(environment | {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"})
        self.gate = block.TestinfraGate(tests=self.write("test_serves", SERVES), timeout_s=LIMIT_S)
        node = NodeFacts(
            name="server/a",
            cluster="server",
            key="a",
            instance_id="i-1",
            address="127.254.30.11",
            zone="eu-west-1a",
            image_id="ami-1",
            image_version="1.0.0",
            volumes=(VolumeFacts("data", "vol-0abc", DATA),),
        )
        self.facts = CheckFacts(node=node, block=BlockFacts(name="consul", version="1.1.0", environment="lab"))

    def write(self, name: str, text: str) -> Path:
        """Write a file of tests in a directory of its own."""
        file = self.tests / name / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def asked(self, name: str, text: str, *, limit_s: float = LIMIT_S) -> block.TestinfraGate:
        return replace(self.gate, tests=self.write(name, text), timeout_s=limit_s)

    def serve(self, *, well: bool) -> None:
        self.lab.sh('touch "$IMMTF_ROOT/serves"' if well else 'rm -f "$IMMTF_ROOT/serves"')

    def gone(self) -> CheckFacts:
        return replace(self.facts, node=replace(self.facts.node, instance_id="i-gone"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBench]:
    lab = ProcessBench(tmp_path_factory.mktemp("checked"))
    lab.image(mounts=MOUNTS, services=[])
    lab.runtime.create_volume("vol-0abc")
    lab.runtime.boot(make_spec("i-1", address="127.254.30.11"))
    lab.runtime.attach("vol-0abc", "i-1", "/dev/xvdf")
    lab.mounted("vol-0abc", "i-1")
    server = make_server("127.0.0.1", 0, LabSsm(lab.runtime, clock=time.time), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield RealBench(lab, f"http://127.0.0.1:{server.server_port}", tmp_path_factory.mktemp("the tests"))
    server.shutdown()
    thread.join(LIMIT_S)
    server.server_close()
    lab.runtime.close()


@pytest.fixture(scope="module", params=["fake", "real"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = FakeBench() if request.param == "fake" else request.getfixturevalue("real")
    return made


def test_tests_pass_fail_and_pass_again(bench: Bench) -> None:
    bench.serve(well=True)
    passed = bench.checks.run(bench.gate, bench.facts)
    assert (passed.held, passed.reason) == (True, "1 passed")
    bench.serve(well=False)
    failed = bench.checks.run(bench.gate, bench.facts)
    assert (failed.held, failed.final) == (False, False)
    assert failed.reason.startswith("1 of 1 failed: test_service: assert ")
    bench.serve(well=True)
    assert bench.checks.run(bench.gate, bench.facts).held


def test_an_instance_that_can_not_be_reached_fails_its_tests(bench: Bench) -> None:
    bench.serve(well=True)
    verdict = bench.checks.run(bench.gate, bench.gone())
    assert (verdict.held, verdict.final) == (False, False)
    assert verdict.reason.startswith("1 of 1 failed: test_service: NotReached: i-gone")


FIXTURES = r"""
from immtf.model.checking import BlockFacts, NodeFacts, VolumeFacts

ODD = "a'b\"c $HOME `x` $(x) {{ssm:q}} \\ %s ü\n;"

def test_facts(node, block):
    assert isinstance(node, NodeFacts) and isinstance(block, BlockFacts)
    assert (node.name, node.cluster, node.key, node.address) == ("server/a", "server", "a", "127.254.30.11")
    assert (node.instance_id, node.zone, node.image_id, node.image_version) == ("i-1", "eu-west-1a", "ami-1", "1.0.0")
    assert node.volumes == (VolumeFacts("data", "vol-0abc", "/var/lib/data"),)
    assert (block.name, block.version, block.environment) == ("consul", "1.1.0", "lab")

def test_the_host_is_the_node(host, node, root):
    assert host.backend.get_hostname() == node.instance_id
    assert host.file(f"{root}/etc/image-version").content_string == "1.0.0\n"
    source = host.check_output("findmnt --noheadings --raw --output SOURCE --mountpoint %s", node.volumes[0].mount)
    assert source.startswith("/dev/")
    assert host.check_output("lsblk --noheadings --nodeps --output SERIAL %s", source) == "vol0abc"

def test_commands_are_run_as_they_stand(host):
    assert host.check_output("printf '%%s' %s", ODD) == ODD
    assert host.check_output("printf '%%s' %s", ODD.replace("{", "")) == ODD.replace("{", "")
    done = host.run("echo out; echo {{err}} >&2; exit 7")
    assert (done.rc, done.stdout, done.stderr) == (7, "out\n", "{{err}}\n")
    assert host.run("false").failed and host.exists("sh")

def test_all_of_what_ssm_keeps(host):
    assert len(host.check_output("head -c 23999 /dev/zero | tr '\\0' x")) == 23999
"""


def test_the_fixtures_and_the_way_to_the_node(real: RealBench) -> None:
    assert real.checks.run(real.asked("test_fixtures", FIXTURES), real.facts).reason == "4 passed"


def test_output_that_ssm_cuts_is_no_answer(real: RealBench) -> None:
    text = "def test_out(host): host.run('seq 1 9999')\ndef test_err(host): host.run('seq 1 2500 >&2')\n"
    reason = real.checks.run(real.asked("test_cut", text), real.facts).reason
    assert reason.startswith("2 of 2 failed: test_out: OutputCut: `seq 1 9999` said more than SSM keeps")
    assert "test_err: OutputCut" in reason


def test_a_command_that_hangs_is_ended_with_its_test_named_and_leaves_nothing_in_the_guest(real: RealBench) -> None:
    mark = f"95{os.getpid()}"
    text = f"def test_hangs(host): host.run('sleep {mark}')\ndef test_after(host): assert host.run('true').rc == 0\n"
    began = time.monotonic()
    verdict = real.checks.run(real.asked("test_hangs", text, limit_s=8), real.facts)
    assert f"of 2 failed: test_hangs: GuestFailed: i-1: `sleep {mark}`: the command ended as ExecutionTimedOut" in verdict.reason
    assert time.monotonic() - began < LIMIT_S
    assert real.lab.sh(f"grep -lz '^{mark}$' /proc/[0-9]*/cmdline 2>/dev/null || echo none").strip() == "none"
