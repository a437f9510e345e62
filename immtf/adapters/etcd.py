"""The `Service` port over etcd's JSON gateway: each server asked itself, side by side, within a time limit.

A gate's `timeout_s` bounds a whole view, with all its calls: half of the time is for asking each server for its status and its members,
the rest for what one server tells for all, the leader first: the alarms (the answer goes through Raft, so without a majority there is
none), and to whom it has no connection. What is made of the answers is in `etcd_view`.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from immtf.adapters import etcd_answers
from immtf.adapters.etcd_answers import Connections
from immtf.adapters.etcd_client import FAILURES, access, server, told
from immtf.adapters.etcd_view import Said, Sight, assemble
from immtf.errors import CloudFailed
from immtf.model.service import Answer, ServiceView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.etcd_answers import Member
    from immtf.adapters.etcd_client import Access, Server
    from immtf.model.block import EtcdGate
    from immtf.model.names import NodeId
    from immtf.model.service import Peer

SIDE_BY_SIDE = 16
STATUS, LIST, REMOVE = "maintenance/status", "cluster/member/list", "cluster/member/remove"
ALARM, TRANSFER = "maintenance/alarm", "maintenance/transfer-leadership"


class EtcdService:
    """etcd's servers, asked through their nodes' own addresses. `environment` gives the user and the files of TLS."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Keep the environment; no call is made yet. A token that a server gave is kept for the next question."""
        self._environment = environment
        self._means: dict[tuple[str | None, str], Access] = {}

    def view(self, gate: EtcdGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        try:
            asking = _Asking(gate, self._read(gate), time.monotonic() + gate.timeout_s)
        except OSError as error:
            return ServiceView(addresses, {node: Answer(problem="not asked") for node in addresses}, problem=str(error))
        return assemble(addresses, asking.everybody(addresses), asking.sight)

    def hand_over(self, gate: EtcdGate, leader: str, to: str) -> str:
        means = self._access(gate)
        try:
            here, there = (server(gate, address, means, lambda: gate.timeout_s) for address in (leader, to))
            target = etcd_answers.status(there.ask(STATUS)).member
            if not any(member.identity == target and member.voter for member in _members(here)):
                raise CloudFailed(f"etcd has no voter at {to}", where=leader)
            here.ask(TRANSFER, targetID=target)
        except FAILURES as error:
            raise CloudFailed(f"etcd did not transfer leadership to {to} ({told(error, means)})", where=leader) from error
        return f"leadership transferred to {to}"

    def leave(self, gate: EtcdGate, address: str) -> str:
        raise CloudFailed(f"an etcd member that leaves can't come back with its data ({gate.id})", where=address)

    def remove_peer(self, gate: EtcdGate, via: str, peer: Peer) -> str:
        means = self._access(gate)
        try:
            here = server(gate, via, means, lambda: gate.timeout_s)
            listed = _member(here, peer)
            if listed is None:
                return f"{peer.address} is no peer any more"
            if peer.address in listed.hosts:
                here.ask(REMOVE, ID=peer.identity)
                listed = _member(here, peer)
        except FAILURES as error:
            raise CloudFailed(f"etcd did not remove the member {peer.address} ({told(error, means)})", where=via) from error
        if listed is not None and peer.address not in listed.hosts:
            what = f"the peer that was at {peer.address} is at {listed.hosts[0]} now"
            raise CloudFailed(what, where=via, next="look again: it is in use")
        if listed is not None:
            raise CloudFailed(f"the member {peer.address} was removed and is still there", where=via, next="look whether its server runs")
        return f"removed the member {peer.address} ({int(peer.identity):x})"

    def _access(self, gate: EtcdGate) -> Access:
        try:
            return self._read(gate)
        except OSError as error:
            raise CloudFailed(str(error), where="etcd") from error

    def _read(self, gate: EtcdGate) -> Access:
        key = (gate.user_env, gate.scheme)
        if key not in self._means:
            self._means[key] = access(gate, self._environment)
        return self._means[key]


@dataclass(frozen=True)
class _Asking:
    """One view being taken, until a moment of the monotonic clock."""

    gate: EtcdGate
    means: Access
    until: float

    def everybody(self, addresses: Mapping[NodeId, str]) -> dict[NodeId, Said | str]:
        """Ask every server; who can't be read has a reason instead."""
        until = (self.until + time.monotonic()) / 2
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            futures = {node: pool.submit(self._one, address, until) for node, address in addresses.items()}
            return {node: future.result() for node, future in futures.items()}

    def _one(self, address: str, until: float) -> Said | str:
        if not address:
            return "no instance"
        asked = server(self.gate, address, self.means, partial(_left, until))
        try:
            status = etcd_answers.status(asked.ask(STATUS))
            return Said(status, () if status.learner else _members(asked))  # a learner refuses to list the members
        except FAILURES as error:
            return told(error, self.means)

    def sight(self, addresses: list[str]) -> Sight | str:
        """Ask these servers in turn for what one tells for all, each with half of what is left; return why none of them does."""
        problems = ""
        for address in addresses:
            until = (self.until + time.monotonic()) / 2
            asked = server(self.gate, address, self.means, partial(_left, until))
            try:
                alarms = etcd_answers.alarms(asked.ask(ALARM, action="GET"))
            except FAILURES as error:
                problems += f"; {address}: {told(error, self.means)}"
                continue
            return Sight(alarms, _connections(asked))
        return problems


def _connections(asked: Server) -> Connections:
    """Return to whom a server is connected; unknown where it doesn't tell."""
    try:
        return etcd_answers.connections(*asked.metrics())
    except FAILURES:
        return Connections()


def _left(until: float) -> float:
    return until - time.monotonic()


def _members(asked: Server) -> tuple[Member, ...]:
    return etcd_answers.members(asked.ask(LIST))


def _member(asked: Server, peer: Peer) -> Member | None:
    return next((row for row in _members(asked) if row.identity == peer.identity), None)
