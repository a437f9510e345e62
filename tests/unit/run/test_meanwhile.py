"""While Terraform waits: the volume is attached as soon as the new instance runs, and the gates are asked, never instead of the end's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, GateFailed, LeaseLost
from immtf.model.events import GateAsked, NodeFinished, StepFinished, StepStarted
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import OLD
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from tests.fakes.world import Scene


def attached(scene: Scene) -> list[str]:
    """Return what was told of attaching."""
    return [event.what for event in scene.events if isinstance(event, StepStarted) and event.what.startswith("attach ")]


def asked_during_the_apply(scene: Scene, node: str) -> list[GateAsked]:
    """Return the questions after a node's volume was attached and before its apply was over."""
    events = scene.events
    start = next(
        i for i, event in enumerate(events) if isinstance(event, StepStarted) and event.node == node and event.what.startswith("attach ")
    )
    end = next(i for i, event in enumerate(events) if isinstance(event, StepFinished) and (event.node, event.step) == (node, "ApplyNode"))
    return [event for event in events[start:end] if isinstance(event, GateAsked)]


def test_each_volume_is_attached_before_terraform_comes_to_it() -> None:
    scene = make_scene(3)
    assert scene.converge() == []
    assert scene.faults() == []
    assert len(attached(scene)) == 3
    log = scene.sim.calls.log
    assert [name for name in log if name in {"cloud.attach", "part.attach:a", "part.attach:b"}][:2] == ["cloud.attach", "part.attach:b"]


def test_the_gates_are_asked_meanwhile_and_once_more_at_the_end() -> None:
    scene = make_scene(3)
    scene.converge()
    meanwhile = asked_during_the_apply(scene, "server/b")
    assert any(event.held for event in meanwhile)
    end = next(i for i, event in enumerate(scene.events) if isinstance(event, NodeFinished))
    apply = next(i for i, event in enumerate(scene.events) if isinstance(event, StepFinished) and event.step == "ApplyNode")
    assert [event.held for event in scene.events[apply:end] if isinstance(event, GateAsked)][-1]


def test_a_node_is_away_only_until_its_gates_hold_not_until_terraform_has_ended() -> None:
    early, late = make_scene(3), make_scene(3)
    late.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.attach", times=1000)]
    away = []
    for scene in (early, late):
        assert scene.converge() == []
        away.append([event.away_s for event in scene.events if isinstance(event, NodeFinished)])
    assert all(short < long for short, long in zip(*away, strict=True))


def test_an_attach_that_is_refused_is_terraforms_to_do() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("no", code="RequestLimitExceeded"), "cloud.attach", times=1000)]
    assert scene.converge() == []
    assert scene.faults() == []


def test_an_instance_that_is_not_of_the_wanted_image_gets_no_volume() -> None:
    scene = make_scene(3)
    launch = scene.sim.launch
    scene.sim.launch = lambda key, _image, slot="": launch(key, OLD, slot)  # type: ignore[method-assign]  # a cloud that gives another image
    with pytest.raises(GateFailed, match="is made from ami-old"):
        scene.upgrade()
    assert attached(scene) == []


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_attaches_the_next_run_finishes(survives: bool, when: str) -> None:
    """F7: Terraform goes on without the run, or dies with it; the new instance has its volume already or not."""
    scene = make_scene(3)
    scene.terraform.survives = survives
    scene.sim.calls.faults = [Fault(Crash(), "cloud.attach", when=when)]  # type: ignore[arg-type]  # one of the two
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    assert scene.converge() == []
    assert scene.faults() == []
    assert set(scene.rolled().values()) == {1}


def test_a_lease_lost_meanwhile_ends_the_run_when_the_apply_is_over() -> None:
    """F12: half an apply is worse than a whole one; after it nothing more is begun."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(LeaseLost("another run holds the lease"), "cloud.attach", times=1000)]
    with pytest.raises(LeaseLost):
        scene.upgrade()
    assert scene.sim.calls.log[-1] == "part.attach:b"
    assert scene.sim.calls.count("cloud.stop") == 1
