"""One container followed to its end, whatever it, its engine or this run does meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from immtf.errors import ContainerFailed
from immtf.model.container import ContainerEnd, ContainerImage, ContainerOrder
from immtf.model.events import Event, Noted
from immtf.plan import previous
from immtf.run.gates import Patience
from immtf.run.previous import run_container
from tests.fakes.clock import FakeCancel, VirtualClock
from tests.fakes.containers import FakeContainers, Script

LIMITS = previous.Patience(limit_s=100, orderly_s=20, urgent_s=10)
ORDER = ContainerOrder(image_id="i-1", arguments=("create",), environment={"AWS_SECRET_ACCESS_KEY": "hidden"})


@dataclass
class Stage:
    """A container on a virtual clock, and what was told of it."""

    script: Script = field(default_factory=Script)
    fails_at: int = -1

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.cancel = FakeCancel()
        self.told: list[Event] = []
        self.engine = FakeContainers(self.clock, {"a:1": ContainerImage("a:1", "i-1")}, script=self.script)

    def emit(self, event: Event) -> None:
        self.told.append(event)
        if len(self.told) == self.fails_at:
            raise OSError("the journal is full")

    def run(self) -> tuple[ContainerEnd, bool]:
        end, _, pressure = run_container(self.engine, ORDER, Patience(self.clock, self.cancel, self.emit), LIMITS)
        return end, pressure.late

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.told if isinstance(event, Noted)]


def test_every_line_is_told_when_it_is_said_and_nothing_is_left() -> None:
    stage = Stage(Script([(0, "one"), (3, "two"), (5, "last")], after_s=5))
    assert stage.run() == (ContainerEnd(0), False)
    assert stage.notes == ["in the container: one", "in the container: two", "in the container: last"]
    assert (stage.engine.there, stage.engine.removed) == ({}, ["c0"])


def test_nothing_secret_is_shown_of_an_order() -> None:
    assert "hidden" not in repr(ORDER)


def test_one_that_hangs_is_ended_at_its_limit() -> None:
    stage = Stage(Script(after_s=None, on_term=(21, 5)))
    assert stage.run() == (ContainerEnd(21), True)
    assert stage.notes == ["the container gets SIGTERM: it is past its 100 s"]


def test_one_that_takes_no_signal_is_killed() -> None:
    stage = Stage(Script(after_s=None, on_term=None))
    assert stage.run() == (ContainerEnd(137), True)
    assert [note.split(":")[0] for note in stage.notes] == [f"the container gets {name}" for name in ("SIGTERM", "SIGTERM", "SIGKILL")]
    assert stage.clock.now == pytest.approx(130, abs=2)


def test_requests_to_end_are_passed_on() -> None:
    stage = Stage(Script(after_s=None, on_term=None))
    stage.clock.after(3, lambda: setattr(stage.cancel, "asked", True))
    stage.clock.after(6, lambda: setattr(stage.cancel, "urgent", True))
    stage.run()
    assert stage.notes[:2] == ["the container gets SIGTERM: asked to end"] * 2
    assert stage.clock.now == pytest.approx(16, abs=2)


def test_a_journal_that_can_not_be_written_ends_the_container_in_good_order_first() -> None:
    stage = Stage(Script([(1, "one"), (2, "two")], after_s=None, on_term=(21, 5)), fails_at=1)
    with pytest.raises(OSError, match="full"):
        stage.run()
    assert stage.clock.now == pytest.approx(6, abs=2)
    assert stage.engine.removed == ["c0"]


def test_a_note_of_our_own_may_fail_as_well() -> None:
    stage = Stage(Script(after_s=None, on_term=(21, 5)), fails_at=1)
    stage.cancel.asked = True
    with pytest.raises(OSError, match="full"):
        stage.run()
    assert stage.engine.removed == ["c0"]


def test_an_engine_that_restarts_is_borne_with() -> None:
    stage = Stage(Script([(1, "one")], after_s=50))
    stage.engine.silent = (10, 40)
    assert stage.run() == (ContainerEnd(0), False)
    assert stage.notes[1] == "the engine doesn't answer, and is asked again: no container engine answers"
    assert len(stage.notes) == 2


def test_an_engine_that_is_gone_is_an_error_and_what_is_left_is_told() -> None:
    stage = Stage(Script(after_s=50))
    stage.engine.silent = (10, 1000)
    with pytest.raises(ContainerFailed):
        stage.run()
    assert stage.notes[-1] == "container c0 is left: no container engine answers; `docker rm --force c0` removes it"


def test_a_request_to_end_waits_for_an_engine_that_restarts() -> None:
    stage = Stage(Script(after_s=None, on_term=(21, 5)))
    stage.engine.silent = (10, 40)
    stage.clock.after(20, lambda: setattr(stage.cancel, "asked", True))
    assert stage.run() == (ContainerEnd(21), False)
    assert stage.clock.now == pytest.approx(45, abs=2)


def test_one_that_does_not_even_end_killed_is_not_waited_for() -> None:
    """As where its process hangs in the kernel: the engine says so of each signal, and lists it as running."""
    stage = Stage(Script(after_s=None, on_term=None))

    def refuse(_container_id: str, name: str) -> None:
        raise ContainerFailed(f"no exit event after {name}")

    stage.engine.signal = refuse  # type: ignore[method-assign]  # the fake's own
    with pytest.raises(ContainerFailed, match="does not end, though it was killed"):
        stage.run()
    assert "the container did not get SIGKILL: no exit event after SIGKILL" in stage.notes
    assert (stage.clock.now, stage.engine.removed) == (pytest.approx(190, abs=2), ["c0"])


def test_one_that_somebody_removed_has_ended() -> None:
    stage = Stage(Script(after_s=None))
    stage.clock.after(3, stage.engine.there.clear)
    assert stage.run() == (ContainerEnd(125, problem="somebody removed it"), False)


def test_one_that_can_not_be_started_leaves_nothing() -> None:
    stage = Stage()
    stage.engine.images.clear()
    with pytest.raises(ContainerFailed, match="can't be started"):
        stage.run()
    assert stage.told == []
