"""Quorum: may this node be taken away, and is the cluster whole again?

The rules are Raft's (a majority of the voters in the configuration, dead ones counted). They are deliberately stricter than
"the API says healthy": with an empty volume a cluster healed itself under a new identity and said healthy; with a dead server
removed by autopilot it said healthy for two of two. So: exactly the expected servers, each asked itself, all naming one leader.

A peer that is no node's may be a stale one: a server that came back under another address, or was replaced by hand. It costs quorum,
as it counts and doesn't vote. It may be struck out only where that is certain, and where the others are a majority with it and without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.block import MAX_LAG
from immtf.model.verdict import Verdict, first_failure

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from immtf.model.names import NodeId
    from immtf.model.service import Peer, ServiceView


def majority(voters: int) -> int:
    """Return how many of so many voters make a quorum."""
    return voters // 2 + 1


def may_be_away(nodes: int, wanted: int) -> int:
    """Return how many nodes may be away at once: what is wanted, but never more than leaves a quorum."""
    return max(0, min(wanted, nodes - majority(nodes)))


def judge_whole(view: ServiceView, expected: int, *, max_lag: int = MAX_LAG) -> Verdict:
    """Judge whether every node of the view is there, votes, is healthy and caught up, and all name one leader.

    `expected` is how many voters there must be; Terraform's count of nodes, or the number the block's file names.
    """
    nodes = sorted(view.addresses)
    verdicts = [_configuration(view), _answers(view, nodes), *(_member(view, node, max_lag) for node in nodes)]
    voters = sum(peer.voter for peer in view.peers)
    if voters != expected:
        verdicts.append(Verdict(held=False, reason=f"{voters} voters, expected {expected}"))
    return first_failure(verdicts, otherwise=f"{voters} of {expected} voters healthy, all name {view.leader()} as leader")


def judge_spare(view: ServiceView, *nodes: NodeId, max_lag: int = MAX_LAG) -> Verdict:
    """Judge whether the cluster can do without these nodes now, all of them at once: all others whole, a majority of all voters left.

    The nodes themselves are not counted: they may be away already, and then they are those to be mended.
    """
    others = [other for other in sorted(view.addresses) if other not in nodes]
    known = [_configuration(view, without=nodes), _answers(view, others, seats=_seats(view, nodes))]
    verdicts = [*known, *(_member(view, other, max_lag) for other in others)]
    peers = [view.peer(other) for other in others]
    voters = sum(peer.voter for peer in view.peers)
    left = sum(1 for peer in peers if peer is not None and peer.voter and peer.healthy is True)
    told = f"without {', '.join(map(str, nodes))} {left} of {voters} voters are left, quorum is {majority(voters)}"
    if left < majority(voters):
        verdicts.append(Verdict(held=False, reason=told))
    return first_failure(verdicts, otherwise=told)


def stale_peers(view: ServiceView) -> tuple[Peer, ...]:
    """Return the peers that are at no node's address."""
    known = {address for address in view.addresses.values() if address}
    return tuple(peer for peer in view.peers if peer.address not in known)


def judge_removal(view: ServiceView, peer: Peer) -> Verdict:
    """Judge whether this peer may be struck from the configuration: it is certainly dead and no node's, and quorum stays.

    The healthy voters that are nodes and answer have to be a majority of the voters as they are now; then they are one without it too.
    """
    return first_failure([_is_stale(view, peer), *_lasts_without(view, peer)], otherwise=_left_without(view, peer))


def _is_stale(view: ServiceView, peer: Peer) -> Verdict:
    """Judge that the peer is nobody's: unknown is not dead, and a node without an instance may come back to its seat."""
    homeless = sorted(str(node) for node, address in view.addresses.items() if not address)
    why = view.problem
    if not why and peer not in view.peers:
        why = f"{peer.address} is not in the configuration as it was seen"
    elif not why and peer not in stale_peers(view):
        why = f"{peer.address} is a node of the block"
    elif not why and homeless:
        why = f"{peer.address} may be the seat of {', '.join(homeless)}, which has no instance now"
    elif not why and peer.healthy is not False:
        why = f"{peer.address} is {'healthy: a server that Terraform does not know' if peer.healthy else 'of unknown health'}"
    return Verdict(held=not why, reason=why)


def _lasts_without(view: ServiceView, peer: Peer) -> list[Verdict]:
    """Judge that the others agree on a leader among them, and are enough."""
    leader = view.leader()
    voters = sum(item.voter for item in view.peers)
    verdicts = [] if leader else [Verdict(held=False, reason="no leader is agreed on")]
    if (left := len(_serving(view, peer))) < majority(voters):
        verdicts.append(Verdict(held=False, reason=f"{left} of {voters} voters are healthy without it, quorum is {majority(voters)}"))
    return verdicts


def _serving(view: ServiceView, without: Peer) -> list[Peer]:
    """Return the healthy voters that are nodes and answered, without this one."""
    answered = {view.addresses[node] for node, answer in view.answers.items() if not answer.problem and answer.leader}
    return [peer for peer in view.peers if peer != without and peer.voter and peer.healthy is True and peer.address in answered]


def _left_without(view: ServiceView, peer: Peer) -> str:
    voters = sum(item.voter for item in view.peers if item != peer)
    return f"quorum stays: without {peer.address} {len(_serving(view, peer))} of {voters} voters are healthy, quorum is {majority(voters)}"


def _offer(view: ServiceView, peers: Sequence[Peer]) -> str:
    """Say what can be done about stale peers: struck out where quorum stays, else why not."""
    verdicts = [judge_removal(view, peer) for peer in peers]
    if refused := next((verdict for verdict in verdicts if not verdict.held), None):
        return f"find out whose servers these are; none of them may be removed now ({refused.reason})"
    return f"if these servers are gone for good, remove them with `immtf repair` ({verdicts[0].reason})"


def _configuration(view: ServiceView, without: Collection[NodeId] = ()) -> Verdict:
    """Judge that every peer is a node's. Others may be the seats of nodes that have none where they are now."""
    if view.problem:
        return Verdict(held=False, reason=view.problem)
    stale = stale_peers(view)
    if stale and not _seats(view, without):
        named = ", ".join(peer.address for peer in stale)
        return Verdict(held=False, reason=f"peers that are no node of the block: {named}", next=_offer(view, stale))
    return Verdict(held=True, reason="")


def _seats(view: ServiceView, nodes: Collection[NodeId]) -> frozenset[str]:
    """Return the addresses of peers that may be these nodes' seats, as they have none where they are now; none where they are too many.

    The state names no instance of such a node, or one that has just been made and has another address. A seat may even lead: the state
    lost an instance that runs on (F7). What has no seat of its own doesn't vote where it is, so nothing is lost when it is taken away.
    """
    stale = stale_peers(view)
    homeless = [node for node in nodes if view.peer(node) is None]
    return frozenset(peer.address for peer in stale) if len(stale) <= len(homeless) else frozenset()


def _answers(view: ServiceView, nodes: list[NodeId], *, seats: Collection[str] = ()) -> Verdict:
    """Every one of these servers answers and names the same leader, who is among the nodes or has a seat of one that has none."""
    problems = []
    named = set()
    for node in nodes:
        answer = view.answers.get(node)
        if answer is None or answer.problem:
            problems.append(f"{node} does not answer" + (f" ({answer.problem})" if answer else ""))
        elif not answer.leader:
            problems.append(f"{node} knows no leader")
        else:
            named.add(answer.leader)
    if len(named) > 1:
        problems.append(f"several leaders are named: {', '.join(sorted(named))}")
    if not problems and not named <= {*view.addresses.values(), *seats}:
        problems.append(f"the leader {', '.join(named)} is no node of the block")
    return Verdict(held=not problems, reason="; ".join(problems))


def _member(view: ServiceView, node: NodeId, max_lag: int) -> Verdict:
    peer = view.peer(node)
    if peer is None:
        return Verdict(held=False, reason=f"{node} is not in the configuration")
    if not peer.voter:
        return Verdict(held=False, reason=f"{node} does not vote yet")
    if peer.healthy is not True:
        return Verdict(held=False, reason=f"{node} is {'unhealthy' if peer.healthy is False else 'of unknown health'}")
    if peer.lag is None or peer.lag > max_lag:
        return Verdict(held=False, reason=f"{node} is {'an unknown number of' if peer.lag is None else peer.lag} log entries behind")
    return Verdict(held=True, reason="")
