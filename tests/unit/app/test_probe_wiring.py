"""The probe in a test of an upgrade: on the servers that the world has, through HTTP, into the last event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.app import rehearsal
from immtf.app.closing import run_to_end
from immtf.app.rehearsal import Before
from immtf.errors import ExitCode, TerraformFailed
from immtf.model.events import ProbeReported
from tests.contract.consul_standin import Standin, standin
from tests.fakes.calls import Fault
from tests.fakes.session import SimSession, make_session
from tests.fakes.simulation import SimWorld
from tests.fakes.terraform import FakeTerraform
from tests.fakes.world import Scene, make_block

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESSES = ("127.77.5.11", "127.77.5.12", "127.77.5.13")
PORT = 8500  # the simulation's gate knows no other


class LoopbackWorld(SimWorld):
    """A world whose nodes have addresses that can be spoken to."""

    def address(self, key: str) -> str:
        return ADDRESSES[self.keys.index(key)]


@pytest.fixture
def servers() -> Iterator[Standin]:
    with standin(*ADDRESSES, port=PORT) as made:
        yield made


@pytest.fixture
def session() -> SimSession:
    sim = LoopbackWorld(("a", "b", "c"))
    return make_session(Scene(sim, FakeTerraform(sim), make_block()))


def test_what_was_written_is_read_again_and_counted(servers: Standin, session: SimSession) -> None:
    code = run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None))
    assert code is ExitCode.DONE
    end = session.finished
    assert end.writes_acknowledged is not None
    assert end.writes_acknowledged >= 1
    assert end.writes_acknowledged == len(servers.store)
    assert (end.writes_lost, end.longest_write_gap_s is not None) == (0, True)
    assert all(key.startswith("immtf-probe/r1/") for key in servers.store)


def test_a_write_that_is_lost_fails_the_test(servers: Standin, session: SimSession) -> None:
    servers.forgetful = True
    code = run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None))
    assert code is ExitCode.GATE_FAILED
    end = session.finished
    assert (end.outcome, end.writes_lost) == ("halted", end.writes_acknowledged)


def test_a_test_that_fails_ends_its_probe(servers: Standin, session: SimSession) -> None:
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.terminate:b")]
    assert run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.ERROR
    asked = len(servers.asked)
    assert any(isinstance(event, ProbeReported) for event in session.told)
    session.signals.wait(0.2)
    assert len(servers.asked) == asked
