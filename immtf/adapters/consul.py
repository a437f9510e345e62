"""The `Service` port over Consul's HTTP API: each server asked itself, side by side, within a time limit.

A gate's `timeout_s` bounds a whole view, with all its calls: half of the time is for asking each server who leads, and each server
that is then asked for the configuration has half of what is left, so that one that hangs leaves time for the next. What has another
shape than Consul's answers is not interpreted: a text "false" is no health.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from immtf.adapters.consul_client import FAILURES, access, client, told
from immtf.errors import CloudFailed
from immtf.model.service import Answer, Peer, ServiceView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.consul_client import Access
    from immtf.model.block import ConsulGate
    from immtf.model.names import NodeId

SIDE_BY_SIDE = 16
LEAVE_S = 60.0
"""How long a server may take to leave: it answers when it has, after `leave_drain_time` (5 s); a leader's was measured to take 9 s."""
_LEAVE_MEND = "a token needs `agent:write` for it; see what the server logs, then run `immtf upgrade` again"
T = TypeVar("T")


class ConsulService:
    """Consul's servers, asked through their own addresses. `environment` gives tokens and the files of TLS."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Keep the environment; no call is made yet."""
        self._environment = environment

    def view(self, gate: ConsulGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        try:
            asking = _Asking(gate, access(gate, self._environment), time.monotonic() + gate.timeout_s)
        except OSError as error:
            return ServiceView(addresses, {node: Answer(problem="not asked") for node in addresses}, problem=str(error))
        answers = asking.leaders(addresses)
        problems: dict[str, list[str]] = {}
        for address in _by_promise(answers, addresses):
            try:
                return ServiceView(addresses=addresses, answers=answers, peers=asking.peers(address))
            except FAILURES as error:
                problems.setdefault(told(error, asking.means), []).append(address)
        problem = "no server tells the Raft configuration" + "".join(f"; {', '.join(who)}: {what}" for what, who in problems.items())
        return ServiceView(addresses=addresses, answers=answers, problem=problem)

    def hand_over(self, gate: ConsulGate, leader: str, to: str) -> str:
        means = self._access(gate)
        try:
            api = client(gate, leader, means, lambda: gate.timeout_s)
            identity = next((peer.identity for peer in configuration(api) if peer.address == to), None)
            taken = api.operator.raft_transfer_leader(peer_id=identity) if identity else None
        except FAILURES as error:
            raise CloudFailed(f"Consul did not transfer leadership ({told(error, means)})", where=leader) from error
        if taken is None:
            raise CloudFailed(f"Consul has no peer at {to}", where=leader)
        if not taken:  # 404: before Consul 1.15 there is no such call
            raise CloudFailed("this Consul does not know how to transfer leadership", where=leader)
        return f"leadership transferred to {to}"

    def leave(self, gate: ConsulGate, address: str) -> str:
        means = self._access(gate)
        try:
            client(gate, address, means, lambda: LEAVE_S).agent.leave()
        except FAILURES as error:
            raise CloudFailed(f"Consul did not leave ({told(error, means)})", where=address, next=_LEAVE_MEND) from error
        return f"{address} left the cluster"

    def remove_peer(self, gate: ConsulGate, via: str, peer: Peer) -> str:
        means = self._access(gate)
        try:
            api = client(gate, via, means, lambda: gate.timeout_s)
            listed = next((row for row in configuration(api) if row.identity == peer.identity), None)
            if listed is None:
                return f"{peer.address} is no peer any more"
            if listed.address == peer.address:
                api.operator.raft_remove_peer(peer_id=peer.identity)
                listed = next((row for row in configuration(api) if row.identity == peer.identity), None)
        except FAILURES as error:
            raise CloudFailed(f"Consul did not remove the peer {peer.address} ({told(error, means)})", where=via) from error
        if listed is not None and listed.address != peer.address:
            raise CloudFailed(f"the peer that was at {peer.address} is at {listed.address} now", where=via, next="look again: it is in use")
        if listed is not None:
            raise CloudFailed(f"the peer {peer.address} was removed and is still there", where=via, next="look whether its server runs")
        return f"removed the peer {peer.address} ({peer.identity})"

    def _access(self, gate: ConsulGate) -> Access:
        try:
            return access(gate, self._environment)
        except OSError as error:
            raise CloudFailed(str(error), where="consul") from error


@dataclass(frozen=True)
class _Asking:
    """One view being taken, until a moment of the monotonic clock."""

    gate: ConsulGate
    means: Access
    until: float

    def leaders(self, addresses: Mapping[NodeId, str]) -> dict[NodeId, Answer]:
        """Ask every server who leads."""
        limit = self._left() / 2
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            futures = {node: pool.submit(self._leader, address, limit) for node, address in addresses.items()}
            return {node: future.result() for node, future in futures.items()}

    def _leader(self, address: str, limit: float) -> Answer:
        if not address:
            return Answer(problem="no instance")
        try:
            named = client(self.gate, address, self.means, lambda: limit).status.leader()
            return Answer(leader=_host(_is(str, named)))
        except FAILURES as error:
            return Answer(problem=told(error, self.means))

    def peers(self, address: str) -> tuple[Peer, ...]:
        """Ask one server for the configuration, and for everybody's health."""
        until = time.monotonic() + self._left() / 2
        api = client(self.gate, address, self.means, lambda: until - time.monotonic())
        listed = configuration(api)
        health = {_field(row, "ID", str): row for row in _field(api.operator.autopilot_health(), "Servers", list)}
        newest = max((_field(row, "LastIndex", int) for row in health.values()), default=0)
        return tuple(_with_health(peer, health.get(peer.identity), newest) for peer in listed)

    def _left(self) -> float:
        return self.until - time.monotonic()


def configuration(api: Any) -> list[Peer]:
    """Return the peers that the configuration lists, of unknown health."""
    rows = _field(api.operator.raft_config(), "Servers", list)
    return [Peer(_field(row, "ID", str), _host(_field(row, "Address", str)), _field(row, "Voter", bool), None, None) for row in rows]


def _with_health(peer: Peer, health: Mapping[str, Any] | None, newest: int) -> Peer:
    if health is None:
        return peer
    lag = max(0, newest - _field(health, "LastIndex", int))
    return Peer(peer.identity, peer.address, peer.voter, _field(health, "Healthy", bool), lag)


def _field(row: Any, key: str, kind: type[T]) -> T:
    """Return what stands there, if it is of this type."""
    if not isinstance(row, dict) or key not in row:
        raise TypeError(f"no {key}")
    return _is(kind, row[key], key)


def _is(kind: type[T], value: Any, what: str = "it") -> T:
    if type(value) is not kind:
        raise TypeError(f"{what} is {type(value).__name__}, wanted {kind.__name__}")
    found: T = value
    return found


def _by_promise(answers: Mapping[NodeId, Answer], addresses: Mapping[NodeId, str]) -> list[str]:
    """Return the addresses of servers that answered, the leader first: its view of the others' health is the freshest."""
    answered = {addresses[node]: answer for node, answer in answers.items() if not answer.problem and answer.leader}
    return sorted(answered, key=lambda address: (answered[address].leader != address, address))


def _host(address: str) -> str:
    """Return the host of `host:port`, also of `[v6]:port`."""
    return address.rpartition(":")[0].strip("[]")
