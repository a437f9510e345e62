"""Which peer may be struck from the configuration: one that is certainly dead and nobody's, and only where quorum stays."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.service import Answer, Peer, ServiceView
from immtf.plan.quorum import judge_removal, judge_spare, judge_whole, majority, stale_peers
from tests.fakes.builders import A, make_peer, make_view

GHOST = make_peer("10.9.9.9", healthy=False, lag=None)


def haunted(count: int = 3, ghost: Peer = GHOST, *others: Peer, **differs: object) -> ServiceView:
    """Return a cluster with one peer more than it has nodes; `others` replace the last nodes' peers."""
    usual = [make_peer(f"10.0.0.{index + 1}") for index in range(count)]
    view = make_view(count, peers=[*usual[: count - len(others)], *others, ghost])
    return dataclasses.replace(view, **differs)


def sick(index: int) -> Peer:
    return make_peer(f"10.0.0.{index}", healthy=False, lag=None)


def test_a_dead_peer_that_is_nobody_s_may_go() -> None:
    """F29."""
    verdict = judge_removal(haunted(), GHOST)
    assert verdict.held
    assert verdict.reason == "quorum stays: without 10.9.9.9 3 of 3 voters are healthy, quorum is 2"


def test_one_that_does_not_vote_may_go_too() -> None:
    ghost = make_peer("10.9.9.9", healthy=False, voter=False)
    assert judge_removal(haunted(3, ghost), ghost).held


STAYS = [
    (haunted(problem="no server tells"), GHOST, "no server tells"),
    (haunted(), make_peer("10.8.8.8"), "10.8.8.8 is not in the configuration as it was seen"),
    (haunted(), dataclasses.replace(GHOST, identity="other"), "10.9.9.9 is not in the configuration as it was seen"),
    (haunted(), make_peer("10.0.0.3"), "10.0.0.3 is a node of the block"),
    (haunted(3, GHOST, sick(3)), sick(3), "10.0.0.3 is a node of the block"),
    (haunted(addresses={**make_view().addresses, A: ""}), GHOST, "10.9.9.9 may be the seat of server/a, which has no instance now"),
    (haunted(3, make_peer("10.9.9.9")), make_peer("10.9.9.9"), "10.9.9.9 is healthy: a server that Terraform does not know"),
    (haunted(3, make_peer("10.9.9.9", healthy=None)), make_peer("10.9.9.9", healthy=None), "10.9.9.9 is of unknown health"),
    (haunted(answers={node: Answer("") for node in make_view().addresses}), GHOST, "no leader is agreed on"),
    (haunted(3, GHOST, sick(3)), GHOST, "2 of 4 voters are healthy without it, quorum is 3"),
    (haunted(5, GHOST, sick(4), sick(5)), GHOST, "3 of 6 voters are healthy without it, quorum is 4"),
]


@pytest.mark.parametrize(("view", "peer", "reason"), STAYS, ids=[reason for *_, reason in STAYS])
def test_who_may_not_go(view: ServiceView, peer: Peer, reason: str) -> None:
    """F29: unknown is not dead, and nobody's is not sure while a node has no instance."""
    verdict = judge_removal(view, peer)
    assert not verdict.held
    assert reason in verdict.reason


def test_the_gate_offers_the_removal_only_where_quorum_stays() -> None:
    """F29: it halts in any case."""
    for view, offered in ((haunted(), True), (haunted(3, GHOST, sick(3)), False), (haunted(3, make_peer("10.9.9.9")), False)):
        for verdict in (judge_whole(view, 3), judge_spare(view, A)):
            assert not verdict.held
            assert "peers that are no node of the block: 10.9.9.9" in verdict.reason
            assert ("`immtf repair`" in verdict.next) is offered
            assert offered or "may be removed now (" in verdict.next


@st.composite
def views(draw: st.DrawFn) -> ServiceView:
    """Return clusters of one to seven nodes and up to three peers more, in whatever state each is."""
    count, more = draw(st.integers(1, 7)), draw(st.integers(0, 3))
    states = st.builds(dict, voter=st.booleans(), healthy=st.sampled_from([True, True, True, False, None]))
    addresses = [*(f"10.0.0.{index + 1}" for index in range(count)), *(f"10.9.9.{index}" for index in range(more))]
    peers = [make_peer(address, **draw(states)) for address in addresses if draw(st.integers(0, 9))]
    leader = draw(st.sampled_from([*addresses, "10.0.0.1", "10.0.0.1", ""]))
    silent = draw(st.sets(st.sampled_from("abcdefg")))
    view = make_view(count, leader=leader, peers=peers, answers={key: Answer(problem="refused") for key in silent})
    homeless = draw(st.sampled_from([None, None, None, *view.addresses]))
    return dataclasses.replace(view, addresses={**view.addresses, homeless: ""}) if homeless else view


@given(views(), st.integers(0, 9))
def test_a_removal_never_costs_quorum_nor_a_node(view: ServiceView, which: int) -> None:
    """F29: a majority is healthy before and after, the leader stays, and nobody goes who is a node or lives."""
    if not view.peers:
        return
    peer = view.peers[which % len(view.peers)]
    if not judge_removal(view, peer).held:
        return
    left = [other for other in view.peers if other != peer]
    healthy = sum(other.voter and other.healthy is True for other in left)
    assert healthy >= majority(sum(other.voter for other in view.peers))
    assert healthy >= majority(sum(other.voter for other in left))
    assert peer in stale_peers(view)
    assert peer.healthy is False
    assert all(view.addresses.values())
    leader = view.leader()
    assert leader is not None
    assert view.addresses[leader] != peer.address
    after = dataclasses.replace(view, peers=tuple(left))
    for node in view.addresses:  # and no node that could be spared before can't be spared after
        assert judge_spare(after, node).held or not judge_spare(view, node).held
