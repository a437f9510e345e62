"""`test-create` and `test-upgrade`: what they make, in which order, and that it is gone afterwards, whatever happened in between.

The servers of the simulated nodes have loopback addresses here, so that the probe writes and reads through HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.app import rehearsal
from immtf.app.closing import run_to_end
from immtf.app.ground import Ground
from immtf.app.rehearsal import Before
from immtf.errors import CloudFailed, ExitCode, Interrupted, PersonNeeded, TerraformFailed, UsageError, VersionsUnresolved
from immtf.model.block import MountedGate
from immtf.model.events import Noted, ProbeReported
from tests.contract.consul_standin import Standin, standin
from tests.fakes.calls import Fault
from tests.fakes.session import IMAGES, FakeImages, SimSession, make_session
from tests.fakes.simulation import NEW, OLD, SimVolume, SimWorld
from tests.fakes.terraform import FakeTerraform
from tests.fakes.world import Scene, make_block, make_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.app.closing import Outcome

PORT = 8500  # the simulation's gate knows no other


@dataclass
class LoopbackWorld(SimWorld):
    """A world whose nodes have addresses that can be spoken to."""

    addresses: tuple[str, ...] = ()

    def address(self, key: str) -> str:
        return self.addresses[self.keys.index(key)]


@pytest.fixture
def servers() -> Iterator[Standin]:
    """Serve on the first network that no other test has taken."""
    for network in range(100, 250):
        made = standin(*(f"127.77.{network}.{host}" for host in (11, 12, 13)), port=PORT)
        try:
            serving = made.__enter__()
        except OSError:
            continue
        yield serving
        made.__exit__(None, None, None)
        return


def session_on(servers: Standin, **target: Any) -> SimSession:
    sim = LoopbackWorld(("a", "b", "c"), addresses=tuple(servers.addresses))
    return make_session(Scene(sim, FakeTerraform(sim), make_block()), **target)


def told(session: SimSession, kind: type) -> list[object]:
    return [event for event in session.told if isinstance(event, kind)]


def run(session: SimSession, body: Callable[[], Outcome]) -> ExitCode:
    return run_to_end(session, "a command", body)


def test_a_test_of_create_leaves_nothing() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.DONE
    assert (session.scene.sim.state, session.scene.sim.volumes) == ({}, {})


def test_a_test_of_an_upgrade_goes_from_the_version_before_to_this_one_and_leaves_nothing(servers: Standin) -> None:
    session = session_on(servers)
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.DONE
    assert session.opened == [OLD, NEW]
    assert (session.finished.nodes_replaced, session.scene.rolled()) == (3, {"a": 1, "b": 1, "c": 1})
    assert session.scene.sim.state == {}
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert notes[0] == "from 1.0.0 to 1.1.0"
    assert session.finished.writes_lost == 0


@pytest.mark.parametrize(
    ("before", "image", "opened"), [(Before(image="1.1.0"), OLD, [NEW, OLD]), (Before(image=OLD), None, [OLD, NEW])], ids=["down", "by id"]
)
def test_the_version_before_may_be_named(servers: Standin, before: Before, image: str | None, opened: list[str]) -> None:
    session = session_on(servers)
    assert run(session, lambda: rehearsal.test_upgrade(session, before, image, Ground())) is ExitCode.DONE
    assert session.opened == opened


def test_the_version_before_may_be_another_directory(servers: Standin) -> None:
    session = session_on(servers)
    old = replace(session.block, image=replace(session.block.image, version="= 1.0.0") if session.block.image else None, version="1.0.0")
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(block=old), None, Ground())) is ExitCode.DONE
    assert session.opened == [OLD, NEW]


def test_two_versions_that_are_the_same_are_no_test(servers: Standin) -> None:
    session = session_on(servers)
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(image=NEW), None, Ground())) is ExitCode.USAGE
    assert session.scene.sim.state == {}


def test_a_block_without_an_image_needs_to_be_told_its_version_before(servers: Standin) -> None:
    session = session_on(servers)
    session.block = replace(session.block, image=None)
    with pytest.raises(UsageError, match="no previous version"):
        rehearsal.test_upgrade(session, Before(), None, Ground())
    assert session.opened == []


def test_without_a_version_before_nothing_is_made(servers: Standin) -> None:
    session = session_on(servers)
    session.ec2 = FakeImages(IMAGES[1:])  # type: ignore[assignment]  # a stand-in
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.VERSIONS_UNRESOLVED
    assert session.opened == []


@pytest.mark.parametrize("point", ["part.create:b", "part.terminate:b", "cloud.detach"])
def test_a_test_that_fails_is_destroyed_all_the_same(servers: Standin, point: str) -> None:
    session = session_on(servers)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), point)]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.ERROR
    assert session.halted.what == "planted"
    assert session.halted.safe == "the environment is gone"
    assert (session.scene.sim.state, session.scene.sim.volumes) == ({}, {})


def test_a_test_that_is_interrupted_is_destroyed_with_a_fresh_terraform(servers: Standin) -> None:
    session = session_on(servers)
    session.patience = replace(session.patience, cancel=session.signals)
    session.scene.sim.clock.after(60, session.signals.request)
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.INTERRUPTED
    assert session.opened[-1] == session.opened[-2], "opened once more for the clean-up"
    assert session.scene.sim.state == {}
    assert session.finished.outcome == "interrupted"


def test_a_clean_up_that_fails_is_an_error_with_the_command_that_repeats_it(servers: Standin) -> None:
    session = session_on(servers, flags="consul --lab")
    session.scene.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop", nth=4)]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.GATE_FAILED
    assert session.halted.what == "the test environment sim is left: no"
    assert session.halted.next == "immtf destroy consul --lab"


def test_a_clean_up_that_fails_does_not_hide_why_the_test_did(servers: Standin) -> None:
    session = session_on(servers)
    session.scene.sim.calls.faults = [
        Fault(TerraformFailed("the first error"), "part.create:b"),
        Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop"),
    ]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.ERROR
    assert session.halted.what == "the first error"
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert "the test environment sim is left: no" in notes


def test_what_can_not_be_opened_leaves_nothing_to_destroy() -> None:
    class Closed(SimSession):
        def open(self, *_: object, **__: object) -> object:  # type: ignore[override]  # it never returns
            raise PersonNeeded("terraform init failed")

    session = make_session(make_empty())
    session.__class__ = Closed
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.PERSON_NEEDED
    assert "StageStarted" not in session.names()


def test_a_block_without_a_store_is_tested_without_a_probe() -> None:
    scene = make_empty()
    cluster = replace(scene.block.clusters["server"], gates=(MountedGate(passes=2, deadline_s=120),))
    scene.block = replace(scene.block, clusters={"server": cluster})
    scene.sim.doomed = True  # without a gate on the service nobody waits for the quorum
    session = make_session(scene)
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.DONE
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert any(note.startswith("no probe") for note in notes)
    assert session.finished.writes_lost is None


def test_what_was_written_is_read_again_and_counted(servers: Standin) -> None:
    session = session_on(servers)
    code = run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None, Ground()))
    assert code is ExitCode.DONE
    end = session.finished
    assert end.writes_acknowledged is not None
    assert end.writes_acknowledged >= 1
    assert end.writes_acknowledged == len(servers.store)
    assert (end.writes_lost, end.longest_write_gap_s is not None) == (0, True)
    assert all(key.startswith("immtf-probe/r1/") for key in servers.store)


def test_a_write_that_is_lost_fails_the_test(servers: Standin) -> None:
    session = session_on(servers)
    servers.forgetful = True
    code = run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None, Ground()))
    assert code is ExitCode.GATE_FAILED
    end = session.finished
    assert (end.outcome, end.writes_lost) == ("halted", end.writes_acknowledged)


def test_a_test_that_fails_ends_its_probe(servers: Standin) -> None:
    session = session_on(servers)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.terminate:b")]
    assert run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.ERROR
    asked = len(servers.asked)
    assert any(isinstance(event, ProbeReported) for event in session.told)
    session.signals.wait(0.2)
    assert len(servers.asked) == asked


def half_made() -> SimSession:
    """Return a session on nothing, whose Terraform will be cut off: an instance is there then that no state knows of."""
    session = make_session(make_empty(), environment="t-0123abcd", generated=True)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("killed"), "part.create:b", when="after")]
    return session


def test_a_half_made_environment_is_destroyed_and_then_swept_by_its_tags() -> None:
    """F43: the instance that a killed Terraform made, and a volume that it lost as well; each is told."""
    session = half_made()
    sim = session.scene.sim
    sim.volumes["vol-lost"] = SimVolume("vol-lost", "c", sim.zone("c"))
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.ERROR
    assert session.halted.what == "killed"
    assert (sim.state, sim.volumes) == ({}, {})
    assert {item.state for item in sim.instances.values()} == {"terminated"}
    lost = [item.instance_id for item in sim.instances.values() if item.node == "b"]
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted) and event.message.startswith("swept: ")]
    assert [note.split()[2] for note in notes] == [*lost, "vol-lost"]


@pytest.mark.parametrize("differs", [{"generated": False}, {"environment": "sim"}])
def test_an_environment_that_a_person_named_is_never_swept(differs: dict[str, Any]) -> None:
    """F43: what is left is reported by the next run instead."""
    session = half_made()
    session.target = replace(session.target, **differs)
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.ERROR
    assert session.swept is None
    assert [item.node for item in session.scene.sim.instances.values() if item.live] == ["b"]


@pytest.mark.parametrize("nth", [1, 2])
def test_a_sweep_that_fails_at_first_does_not_keep_the_destroy_from_its_work(nth: int) -> None:
    """F43: after the destroy it is a failure like any of the clean-up's."""
    session = half_made()
    session.scene.sim.calls.faults.append(Fault(CloudFailed("no", code="UnauthorizedOperation"), "sweeper.instances", nth))
    session.scene.sim.calls.faults.append(Fault(CloudFailed("no", code="UnauthorizedOperation"), "sweeper.volumes"))
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.ERROR
    assert session.scene.sim.state == {}
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert "the test environment t-0123abcd is left: no" in notes


def test_where_the_state_can_not_be_read_the_environment_is_swept_all_the_same() -> None:
    """F43: a Terraform that is killed in its first apply may leave none; what costs goes, and that the rest is left is told."""
    session = half_made()
    sim = session.scene.sim
    sim.calls.faults.append(Fault(TerraformFailed("the state has 0 bytes"), "terraform.state", nth=3, times=99))
    assert run(session, lambda: rehearsal.test_create(session, None, Ground())) is ExitCode.ERROR
    assert ({item.state for item in sim.instances.values()}, sim.volumes) == ({"terminated"}, {})
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert "the test environment t-0123abcd is left: the state has 0 bytes" in notes


def test_a_second_wish_to_end_ends_the_clean_up_unswept() -> None:
    session = half_made()
    session.scene.sim.calls.faults.append(Fault(Interrupted("stopped as asked"), "terraform.plan", nth=2))
    run(session, lambda: rehearsal.test_create(session, None, Ground()))
    assert session.scene.sim.calls.count("sweeper.volumes") == 0


def test_a_previous_version_is_compared_with_this_one_before_it_is_taken() -> None:
    """F45."""
    block = make_block()
    assert rehearsal.previous_block(block, replace(block, version="1.0.0")).block == replace(block, version="1.0.0")
    with pytest.raises(VersionsUnresolved, match=r"1\.0\.0 of block consul lacks the contract of 1\.1\.0: the block is named") as caught:
        rehearsal.previous_block(block, replace(block, version="1.0.0", name="etcd"))
    assert caught.value.next.startswith("nothing was created")
