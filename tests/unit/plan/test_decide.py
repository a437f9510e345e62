"""Each step's decision, for every state that the cloud can show."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.plan.decide import Act, Done, Halt, Wait, decide_apply, decide_detach, decide_start, decide_stop
from tests.fakes.builders import make_instance, make_now, make_place, make_volume

if TYPE_CHECKING:
    from immtf.model.snapshot import NodeNow

STATES = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", None]


def now(state: str | None) -> NodeNow:
    return make_now(make_instance(state) if state else None)


@pytest.mark.parametrize(("state", "kind"), list(zip(STATES, [Wait, Act, Wait, Done, Wait, Done, Done], strict=True)))
def test_stop(state: str | None, kind: type) -> None:
    """F16: an instance that somebody terminated counts as stopped. F17: in between, it is waited for."""
    assert isinstance(decide_stop(now(state)), kind)


@pytest.mark.parametrize(("state", "kind"), list(zip(STATES, [Wait, Done, Wait, Act, Halt, Halt, Halt], strict=True)))
def test_start(state: str | None, kind: type) -> None:
    assert isinstance(decide_start(now(state)), kind)


@pytest.mark.parametrize(
    ("state", "ties", "kind"),
    [
        ("stopped", [], Done),
        (None, [], Done),
        ("stopped", [("i-a", "attached")], Act),
        ("stopped", [("i-a", "detaching")], Wait),
        ("stopped", [("i-a", "busy")], Wait),
        ("stopping", [("i-a", "attached")], Wait),
        ("shutting-down", [("i-a", "attached")], Wait),
        ("terminated", [("i-a", "attached")], Wait),
        ("running", [("i-a", "attached")], Halt),
        ("stopped", [("i-x", "attached")], Halt),
        (None, [("i-a", "attached")], Halt),
    ],
)
def test_detach(state: str | None, ties: list[tuple[str, str]], kind: type) -> None:
    """F13, F15, F18: never from a running guest, never from an instance that is not this node's."""
    decision = decide_detach(make_now(make_instance(state) if state else None, make_volume(*ties)))
    assert isinstance(decision, kind)


def test_detach_waits_for_a_volume_that_is_neither_free_nor_tied() -> None:
    """F14: `in-use` without an attachment is on its way."""
    assert decide_detach(make_now(make_instance("stopped"), make_volume(state="in-use"))) == Wait("vol-a is in-use")


def test_detach_halts_for_a_volume_that_nobody_can_find() -> None:
    assert isinstance(decide_detach(make_now(make_instance("stopped"), None)), Halt)


def test_detach_of_no_volumes_is_done() -> None:
    nothing = dataclasses.replace(make_now(make_instance("stopped")), place=dataclasses.replace(make_place(), volumes=()))
    assert decide_detach(nothing) == Done("no volumes")


@pytest.mark.parametrize(
    ("state", "ties", "kind"),
    [
        ("stopped", [], Act),
        ("running", [("i-a", "attached")], Act),
        (None, [], Act),
        ("running", [("i-x", "attached")], Halt),
        (None, [("i-a", "attached")], Halt),
    ],
)
def test_apply(state: str | None, ties: list[tuple[str, str]], kind: type) -> None:
    """F18: a volume on an instance that is not this node's stops the step."""
    assert isinstance(decide_apply(make_now(make_instance(state) if state else None, make_volume(*ties))), kind)


def test_apply_halts_for_a_stray_instance_and_says_how_to_take_it_in() -> None:
    """F7."""
    stray = dataclasses.replace(make_now(None, make_volume()), strays=(make_instance(instance_id="i-stray"),))
    decision = decide_apply(stray)
    assert isinstance(decision, Halt)
    assert "i-stray (running)" in decision.reason
    assert "terraform import 'module.server[\"a\"].aws_instance.this' i-stray" in decision.next


def test_apply_halts_for_a_volume_that_is_named_and_not_found() -> None:
    assert isinstance(decide_apply(make_now(make_instance("stopped"), None)), Halt)


def test_apply_goes_on_where_the_volume_is_still_to_be_made() -> None:
    unmade = dataclasses.replace(make_now(None, None), place=make_place(volume_id=""))
    assert isinstance(decide_apply(unmade), Act)
