"""Which other node is seen down while one is away: what speaks of it alone, and nothing that is only unknown."""

from __future__ import annotations

import dataclasses

import pytest

from immtf.model.service import Answer, ServiceView
from immtf.plan.others import seen_down
from tests.fakes.builders import make_instance, make_now, make_peer, make_view

WELL = make_now(make_instance())
PEERS = [make_peer("10.0.0.2"), make_peer("10.0.0.3")]


def view_of(**peer: object) -> ServiceView:
    return make_view(peers=[make_peer("10.0.0.1", **peer), *PEERS], leader="10.0.0.2")


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (None, ""),
        (make_view(), ""),
        (make_view(answers={"a": Answer(problem="no answer in time")}), "it does not answer (no answer in time)"),
        (dataclasses.replace(make_view(), answers={}), "it was not asked"),
        (make_view(peers=PEERS), "it is not in the configuration"),
        (view_of(healthy=False), "it is unhealthy"),
        (view_of(healthy=None, lag=None), ""),
        (view_of(lag=9_999), ""),
        (view_of(voter=False), ""),
        (make_view(leader=""), ""),
        (dataclasses.replace(make_view(), peers=(), problem="no server tells"), ""),
    ],
)
def test_what_its_service_says(view: ServiceView | None, why: str) -> None:
    """F32: an election, or a health that is not known yet, is no death."""
    assert seen_down(WELL, view) == why


def test_what_its_instance_says() -> None:
    """F32: also where there is no service that could be asked."""
    assert seen_down(make_now(), make_view()) == "it has no instance"
    assert seen_down(make_now(make_instance(state="terminated")), None) == "it has no instance"
    stopped = make_instance(state="stopped")
    assert seen_down(make_now(stopped), make_view()) == f"its instance {stopped.instance_id} is stopped"
