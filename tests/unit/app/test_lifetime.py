"""For how long a test has its environment: it ends itself when its time is over, and holds the environment's lease until then."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.lease import held_lease
from immtf.app.ground import Ground
from immtf.app.leasing import Leases, bucket_of, make_holder
from immtf.app.lifetime import timer
from immtf.errors import ExitCode, Interrupted, LeaseLost
from immtf.model.environment import Backend, States
from immtf.plan.lease import lease_text
from tests.fakes.calls import Fault
from tests.fakes.leases import make_record
from tests.fakes.session import AWS
from tests.fakes.small_s3 import SmallS3, served
from tests.unit.app.test_ground import NAME, notes, record_in, run, session_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Watch:
    """Stands in for a timer: what is due is done when a test says so."""

    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    called_off: int = 0

    def __call__(self, seconds: float, act: Callable[[], None]) -> Callable[[], None]:
        self.due.append((seconds, act))
        return self.call_off

    def call_off(self) -> None:
        self.called_off += 1


def test_a_test_whose_time_is_over_ends_itself_and_destroys_what_it_made(tmp_path: Path) -> None:
    """F43: from then on a reap that sees nothing but tags may take its things. It isn't kept, as it didn't fail."""
    session, watch = session_in(tmp_path), Watch()
    calls = session.scene.sim.calls
    calls.faults = [Fault(Interrupted("stopped as asked"), "part.create:b")]
    calls.watch = lambda: watch.due[0][1]() if calls.log[-1] == "part.create:b" and not session.signals.is_set() else None
    assert run(session, Ground(life_s=1800, after=watch, keep=True)) is ExitCode.ERROR
    assert session.halted.what == "the test's time to live, 30 minutes, is over before it is done"
    assert "--ttl" in session.halted.next
    assert (session.scene.sim.state, record_in(tmp_path).exists(), watch.called_off) == ({}, False, 1)
    assert watch.due[0][0] == 1800


def test_in_time_nothing_ends_it_and_a_person_s_word_is_a_person_s(tmp_path: Path) -> None:
    session, watch = session_in(tmp_path), Watch()
    assert run(session, Ground(after=watch)) is ExitCode.DONE
    assert (len(watch.due), watch.called_off) == (1, 1)
    again, watch = session_in(tmp_path / "again"), Watch()
    calls = again.scene.sim.calls
    calls.faults = [Fault(Interrupted("stopped as asked"), "part.create:b")]
    calls.watch = lambda: again.signals.request() if calls.log[-1] == "part.create:b" else None
    assert run(again, Ground(after=watch)) is ExitCode.INTERRUPTED
    assert watch.called_off == 1


def test_in_a_lab_and_without_an_end_a_test_takes_as_long_as_it_takes(tmp_path: Path) -> None:
    watch = Watch()
    assert run(session_in(tmp_path, cloud="lab"), Ground(after=watch)) is ExitCode.DONE
    states = States(lambda block: Backend("local", {"path": f"/e/{block}"}), lambda: ("other",))
    assert run(session_in(tmp_path / "shared", states=states, generated=False), Ground(after=watch)) is ExitCode.DONE
    assert watch.due == []


def test_the_timer_of_a_test_goes_off_once_and_can_be_called_off() -> None:
    off = threading.Event()
    timer(0.0, off.set)
    assert off.wait(60)
    timer(3600, lambda: pytest.fail("called off"))()


@pytest.mark.parametrize(
    ("template", "definition", "cloud", "told"),
    [
        (Backend("http", {"address": "{environment}/{block}"}), "/e/staging.yaml", "aws", True),
        (Backend("s3", {"bucket": "b-{environment}", "key": "{environment}/{block}/x"}), "/e/staging.yaml", "aws", True),
        (None, "/e/staging.yaml", "lab", False),
        (None, "", "aws", False),
    ],
    ids=["http", "a bucket each", "lab", "kept here"],
)
def test_where_no_record_can_be_found_it_is_told_at_the_beginning(
    tmp_path: Path, template: Backend | None, definition: str, cloud: str, told: bool
) -> None:
    """F43: `reap` finds it by its tags only."""
    states = States(lambda block: Backend("local", {"path": f"/e/{block}"}), tuple, template)
    session = session_in(tmp_path, states=states, cloud=cloud)
    assert run(session, Ground(definition=definition)) is ExitCode.DONE
    assert any("`immtf reap` finds no record of it" in note for note in notes(session)) is told


def test_an_environment_with_its_record_in_s3_is_held_for_as_long_as_the_test_lives(tmp_path: Path) -> None:
    """F43: between its blocks' runs too; a reap that has it already lets no run begin."""
    with served(SmallS3()) as s3:
        process = {**AWS, "AWS_ENDPOINT_URL": s3.url}
        template = Backend("s3", {"bucket": "states", "key": "{environment}/{block}/x", "use_path_style": True})
        target = {"states": States(lambda block: Backend("s3", {"key": block}), tuple, template), "process": process}
        session, lease = session_in(tmp_path, **target), f"/states/{NAME}/environment.json.immtf-lease"
        seen: list[bool] = []
        with held_lease(tmp_path / "lease", {}) as local:
            session.leases = Leases(make_holder("r1", "test-create", "then", {}), local)
            bucket = bucket_of(session.target)
            assert bucket
            session.leases.take_environment(session, bucket)
            s3.objects[lease] = lease_text(make_record("theirs", generation=2))
            with pytest.raises(LeaseLost, match="run theirs"):
                session.leases.confirm()
            session.leases.leave_environment()
            del s3.objects[lease]
            session.leases.take_environment(session, bucket)
            session.leases.confirm()
            session.release()
            seen.append('"free": true' in s3.objects[lease])
        assert seen == [True]
