"""Benches for the `Service` port: three servers that are well, simulated or behind HTTP, and what may become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from immtf.adapters.consul import ConsulService
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
from tests.fakes.service import FakeService
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.block import ServiceGate
    from immtf.run.ports import Service
    from tests.contract.consul_standin import Standin

A, B, C = (NodeId("server", key) for key in "abc")
NODES = (A, B, C)
GHOST = "127.77.0.99"


class Bench(Protocol):
    """Three servers that are well; a leads."""

    @property
    def service(self) -> Service:
        """Return the adapter."""

    @property
    def gate(self) -> ServiceGate:
        """Return the gate that speaks to them."""

    addresses: Mapping[NodeId, str]

    def kill(self, *nodes: NodeId) -> None:
        """Let these servers die, and give the others time to see it."""

    def delay(self, node: NodeId) -> None:
        """Let a server fall behind."""

    def haunt(self) -> None:
        """Leave a dead peer in the configuration, at an address where no node is."""


class FakeBench:
    """The simulation."""

    def __init__(self) -> None:
        self.sim = make_scene(3).sim
        self.service: Service = FakeService(self.sim)
        self.gate = ConsulGate()
        self.addresses: Mapping[NodeId, str] = {NodeId("server", key): self.sim.address(key) for key in self.sim.keys}

    def kill(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.sim.kill_server(node.key)
        self.sim.clock.sleep(30)

    def delay(self, node: NodeId) -> None:
        self.sim.kill_server(node.key)
        self.sim.clock.sleep(30)
        self.sim.revive_server(node.key)

    def haunt(self) -> None:
        self.sim.raft.up(GHOST, "ghost")
        self.sim.clock.sleep(30)
        self.sim.raft.down(GHOST)


class HttpBench:
    """The adapter on the stand-in."""

    def __init__(self, servers: Standin) -> None:
        self.servers = servers
        self.service: Service = ConsulService({})
        self.gate = ConsulGate(port=servers.port, timeout_s=10.0)  # a busy machine takes its time; tests about time set their own
        self.addresses: Mapping[NodeId, str] = dict(zip(NODES, servers.addresses, strict=True))

    def kill(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.servers.down(self.addresses[node])
            self.servers.sick.add(self.addresses[node])
        alive = sorted(self.servers.servers)
        self.servers.leader = alive[0] if len(alive) > 1 else ""

    def delay(self, node: NodeId) -> None:
        self.servers.lag[self.addresses[node]] = 600

    def haunt(self) -> None:
        self.servers.stale.append(GHOST)
