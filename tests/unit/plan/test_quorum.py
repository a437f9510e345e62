"""Raft's arithmetic, and what counts as healthy: only what every server itself was asked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.service import Answer, Peer, ServiceView
from immtf.plan.quorum import judge_spare, judge_whole, majority, may_be_away
from tests.fakes.builders import A, B, C, make_peer, make_view


@pytest.mark.parametrize(("nodes", "quorum", "away"), [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)])
def test_majority(nodes: int, quorum: int, away: int) -> None:
    assert majority(nodes) == quorum
    assert may_be_away(nodes, 99) == away


@given(st.integers(1, 99), st.integers(-1, 9))
def test_whoever_may_be_away_leaves_a_quorum(nodes: int, wanted: int) -> None:
    away = may_be_away(nodes, wanted)
    assert 0 <= away <= max(wanted, 0)
    assert nodes - away >= majority(nodes)


def peers(*differing: Peer) -> list[Peer]:
    """Return three peers, the last ones replaced."""
    usual = [make_peer(f"10.0.0.{index}") for index in (1, 2, 3)]
    return [*usual[: 3 - len(differing)], *differing]


UNHEALTHY = [
    (make_view(answers={"c": Answer(problem="refused")}), "server/c does not answer (refused)"),
    (make_view(answers={"c": Answer(leader="")}), "server/c knows no leader"),
    (make_view(answers={"c": Answer(leader="10.0.0.2")}), "several leaders are named: 10.0.0.1, 10.0.0.2"),
    (make_view(leader="10.9.9.9"), "the leader 10.9.9.9 is no node of the block"),
    (make_view(peers=peers(make_peer("10.0.0.3", healthy=False))), "server/c is unhealthy"),
    (make_view(peers=peers(make_peer("10.0.0.3", healthy=None))), "server/c is of unknown health"),
    (make_view(peers=peers(make_peer("10.0.0.3", voter=False))), "server/c does not vote yet"),
    (make_view(peers=peers(make_peer("10.0.0.3", lag=300))), "server/c is 300 log entries behind"),
    (make_view(peers=peers(make_peer("10.0.0.3", lag=None))), "server/c is an unknown number of log entries behind"),
    (make_view(peers=peers()[:2]), "server/c is not in the configuration"),
    (make_view(peers=[*peers(), make_peer("10.9.9.9")]), "peers that are no node of the block: 10.9.9.9"),
    (ServiceView(problem="the API can't be reached"), "the API can't be reached"),
]


@pytest.mark.parametrize(("view", "reason"), UNHEALTHY, ids=[reason for _, reason in UNHEALTHY])
def test_what_is_not_whole_is_said(view: ServiceView, reason: str) -> None:
    """F29, F30, F34: unknown is unhealthy, and each reason is in a user's words."""
    verdict = judge_whole(view, 3, max_lag=250)
    assert not verdict.held
    assert not verdict.final
    assert reason in verdict.reason


@pytest.mark.parametrize(("view", "reason"), UNHEALTHY, ids=[reason for _, reason in UNHEALTHY])
def test_no_node_is_spared_while_another_is_not_whole(view: ServiceView, reason: str) -> None:
    """F32."""
    verdict = judge_spare(view, A, max_lag=250)
    assert not verdict.held
    assert reason in verdict.reason


def test_a_whole_cluster() -> None:
    verdict = judge_whole(make_view(), 3)
    assert verdict.held
    assert verdict.reason == "3 of 3 voters healthy, all name server/a as leader"


@pytest.mark.parametrize(("count", "expected"), [(3, 5), (5, 3)])
def test_the_number_of_voters_is_the_expected_one(count: int, expected: int) -> None:
    verdict = judge_whole(make_view(count), expected)
    assert not verdict.held
    assert f"{count} voters, expected {expected}" in verdict.reason


@pytest.mark.parametrize(
    "view",
    [
        make_view(answers={"a": Answer(problem="refused")}, leader="10.0.0.2"),
        make_view(leader="10.0.0.2", peers=[make_peer("10.0.0.1", healthy=False, lag=None), *peers()[1:]]),
        make_view(leader="10.0.0.2", peers=peers()[1:]),
    ],
    ids=["silent", "unhealthy", "struck from the configuration"],
)
def test_the_node_that_is_spared_is_not_counted(view: ServiceView) -> None:
    """Else a resumed run would wait for the very node that it has to mend."""
    assert judge_spare(view, A).held
    assert not judge_spare(view, B).held or view.peer(A) is None


def test_the_seat_of_a_node_without_an_instance_is_its_own() -> None:
    """F16: the address is gone with the instance, the seat in the configuration stays; more than one such seat is a stale peer."""
    view = make_view(leader="10.0.0.2", answers={"a": Answer(problem="it has no address")})
    view = dataclasses.replace(view, addresses={**view.addresses, A: ""})
    assert judge_spare(view, A).held
    assert not judge_spare(view, B).held
    assert not judge_spare(dataclasses.replace(view, peers=(*view.peers, make_peer("10.9.9.9"))), A).held
    assert not judge_whole(view, 3).held


def test_a_node_whose_new_instance_has_another_address_has_its_seat_where_it_was() -> None:
    """F16: its old instance died, and the new one's server has not come up yet."""
    view = make_view(
        leader="10.0.0.2", peers=[make_peer("10.9.9.1", healthy=False), *peers()[1:]], answers={"a": Answer(problem="refused")}
    )
    assert judge_spare(view, A).held
    assert "peers that are no node of the block: 10.9.9.1" in judge_spare(view, B).reason
    assert not judge_spare(dataclasses.replace(view, peers=(*view.peers, make_peer("10.9.9.9"))), A).held
    assert not judge_whole(view, 3).held


def test_an_instance_that_the_state_lost_may_lead() -> None:
    """F7: it runs on, at the only seat that is no node's; a leader elsewhere, or a second such seat, is nobody's that is known."""
    view = make_view(leader="10.0.0.1", answers={"a": Answer(problem="it has no address")})
    view = dataclasses.replace(view, addresses={**view.addresses, A: ""})
    assert judge_spare(view, A).held
    assert "peers that are no node of the block: 10.0.0.1" in judge_spare(view, B).reason
    assert not judge_spare(dataclasses.replace(view, peers=(*view.peers, make_peer("10.9.9.9"))), A).held
    elsewhere = make_view(leader="10.9.9.9", answers={"a": Answer(problem="it has no address")})
    elsewhere = dataclasses.replace(elsewhere, addresses={**elsewhere.addresses, A: ""})
    assert "the leader 10.9.9.9 is no node of the block" in judge_spare(elsewhere, A).reason
    assert not judge_whole(view, 3).held


def test_two_cannot_spare_one() -> None:
    verdict = judge_spare(make_view(2), A)
    assert not verdict.held
    assert "without server/a 1 of 2 voters are left, quorum is 2" in verdict.reason


def test_an_empty_configuration_spares_nobody() -> None:
    assert not judge_spare(make_view(peers=[]), A).held


def test_a_dead_voter_of_five_still_counts_for_the_quorum() -> None:
    """Three that are alive of five are a quorum, and yet not one of them can be spared."""
    dead = {key: Answer(problem="refused") for key in "de"}
    view = make_view(5, peers=[make_peer(f"10.0.0.{index}", healthy=index < 4) for index in range(1, 6)], answers=dead)
    assert not judge_spare(view, C).held
    assert "2 of 5 voters are left, quorum is 3" in judge_spare(view, C).reason
