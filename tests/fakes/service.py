"""The clustered service and plain knocks, as they are seen from outside: each server says what it knows, the dead say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate, EtcdGate
from immtf.model.service import Answer, Peer, ServiceView
from immtf.model.verdict import Verdict
from tests.fakes.simulation import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.block import ServiceGate
    from immtf.model.names import NodeId
    from tests.fakes.raft import Seat
    from tests.fakes.simulation import SimWorld


PORTS = {ConsulGate: 8500, EtcdGate: 2379}  # the simulated servers speak both


@dataclass
class FakeService:
    """Satisfies `immtf.run.ports.Service`."""

    sim: SimWorld

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        assert gate.port == PORTS[type(gate)], "another port than the servers have"
        return self.sim.calls.do("service.view", lambda: self._view(addresses))

    def hand_over(self, gate: ServiceGate, leader: str, to: str) -> str:
        assert gate.port == PORTS[type(gate)], "another port than the servers have"
        return self.sim.calls.do("service.hand_over", lambda: self._hand_over(leader, to))

    def remove_peer(self, gate: ServiceGate, via: str, peer: Peer) -> str:
        assert gate.port == PORTS[type(gate)], "another port than the servers have"
        return self.sim.calls.do("service.remove_peer", lambda: self._remove_peer(via, peer))

    def leave(self, gate: ServiceGate, address: str) -> str:
        assert gate.port == PORTS[type(gate)], "another port than the servers have"
        return self.sim.calls.do("service.leave", lambda: self._leave(gate, address))

    def _leave(self, gate: ServiceGate, address: str) -> str:
        raft = self.sim.raft
        if isinstance(gate, EtcdGate) or self._answer(address).problem:
            raise CloudFailed(f"{address} can't leave")
        item = next(item for item in self.sim.instances.values() if item.serving and self.sim.server(item) == address)
        self.sim.away(item.node, "a leave")
        self.sim.farewell(item)
        if not raft.quorate():
            raise Violation(f"no quorum is left without {address}")
        self.sim.clock.sleep(self.sim.times.leave)
        return f"{address} left the cluster"

    def _remove_peer(self, via: str, peer: Peer) -> str:
        raft = self.sim.raft
        if not raft.leader or self._answer(via).problem:
            raise CloudFailed(f"{via} can't change the configuration")
        listed = next((seat for seat in raft.seats.values() if seat.identity == peer.identity), None)
        if listed is None:
            return f"{peer.address} is no peer any more"
        if listed.address != peer.address:
            raise CloudFailed(f"the peer that was at {peer.address} is at {listed.address} now")
        if listed.since is not None:
            raise Violation(f"the peer {peer.address} is removed while it serves")
        del raft.seats[listed.address]
        if not raft.quorate():
            raise Violation(f"no quorum is left without {peer.address}")
        return f"removed the peer {peer.address} ({peer.identity})"

    def _view(self, addresses: Mapping[NodeId, str]) -> ServiceView:
        raft = self.sim.raft
        answers = {node: self._answer(address) for node, address in addresses.items()}
        if not any(answer.leader for answer in answers.values()):
            return ServiceView(addresses, answers, (), "no server names a leader")
        return ServiceView(addresses, answers, tuple(self._peer(seat) for seat in raft.seats.values()))

    def _answer(self, address: str) -> Answer:
        seat = self.sim.raft.seats.get(address)
        if not address or seat is None or seat.since is None:
            return Answer(problem="connection refused" if address else "it has no address")
        return Answer(leader=self.sim.raft.leader)

    def _peer(self, seat: Seat) -> Peer:
        raft = self.sim.raft
        healthy = seat.since is not None and raft.lag(seat.address) < 2_000 if raft.known() else None
        lag = raft.lag(seat.address) if seat.since is not None and raft.known() else None
        return Peer(seat.identity, seat.address, seat.voter, healthy, lag)

    def _hand_over(self, leader: str, to: str) -> str:
        raft = self.sim.raft
        if raft.leader != leader or not raft.healthy(to):
            raise CloudFailed(f"{leader} can't hand over to {to}")
        raft.hand_over(to)
        return f"{leader} handed over to {to}"


@dataclass
class FakeKnock:
    """Satisfies `immtf.run.ports.Knock`: port 8500 of a serving server answers, nothing else does."""

    sim: SimWorld

    def http(self, url: str, *, status: int, contains: str | None, timeout_s: float) -> Verdict:
        assert timeout_s > 0, "a knock without a limit"
        parts = urlsplit(url)
        serves = self._serves(str(parts.hostname), parts.port or 80) and status == 200 and contains in {None, "ok"}
        return self.sim.calls.do("knock.http", lambda: Verdict(held=serves, reason=f"{url} {'answers' if serves else 'is silent'}"))

    def tcp(self, address: str, port: int, *, timeout_s: float) -> Verdict:
        assert timeout_s > 0, "a knock without a limit"
        serves = self._serves(address, port)
        return self.sim.calls.do(
            "knock.tcp", lambda: Verdict(held=serves, reason=f"{address}:{port} {'answers' if serves else 'is silent'}")
        )

    def _serves(self, address: str, port: int) -> bool:
        return port == 8500 and any(item.serving and item.address == address for item in self.sim.instances.values())
