"""Benches for the `Service` port over etcd: the stand-in, and three real servers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.etcd import EtcdService
from immtf.model.block import EtcdGate
from immtf.plan.quorum import judge_whole
from tests.contract.etcd_program import CLIENTS, LIMIT_S, PEERS, until
from tests.contract.service_benches import GHOST, NODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView
    from immtf.run.ports import Service
    from tests.contract.etcd_program import EtcdServers
    from tests.contract.etcd_standin import EtcdStandin


class EtcdHttpBench:
    """The adapter on the stand-in."""

    def __init__(self, servers: EtcdStandin) -> None:
        self.servers = servers
        self.service: Service = EtcdService({})
        self.gate = EtcdGate(port=servers.port, timeout_s=10.0)  # a busy machine takes its time; tests about time set their own
        self.addresses: Mapping[NodeId, str] = dict(zip(NODES, servers.addresses, strict=True))

    def kill(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.servers.down(self.addresses[node])

    def delay(self, node: NodeId) -> None:
        self.servers.lag[self.addresses[node]] = 600

    def haunt(self) -> None:
        self.servers.stale.append(GHOST)


class EtcdRealBench:
    """The adapter on real servers."""

    def __init__(self, servers: EtcdServers) -> None:
        """Start them, and let the first one lead."""
        self.servers = servers
        self.seats = len(servers.cluster)
        self.service: Service = EtcdService({})
        self.gate = EtcdGate(timeout_s=10.0)
        self.addresses: Mapping[NodeId, str] = dict(zip(NODES, servers.cluster, strict=True))
        for address in servers.cluster:
            servers.start(address)
        self.wait_whole(3)
        leader = self.view().leader()
        if leader not in {None, NODES[0]}:
            self.service.hand_over(self.gate, self.addresses[leader], self.addresses[NODES[0]])
            self.wait_whole(3)

    def view(self) -> ServiceView:
        return self.service.view(self.gate, self.addresses)

    def wait_whole(self, expected: int) -> None:
        """Wait until all is well."""
        until(lambda: judge_whole(self.view(), expected).held, lambda: f"{judge_whole(self.view(), expected)}\n{self.servers.said()}")

    def kill(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.servers.kill(self.addresses[node])
        left = [node for node in NODES if node not in nodes]

        def seen() -> bool:
            view = self.view()
            named = [view.answers[node].leader for node in left]
            if 2 * len(left) <= self.seats:
                return not any(named)
            return view.leader() in left and all((peer := view.peer(node)) is not None and peer.healthy is False for node in nodes)

        until(seen, lambda: f"{self.view()}\n{self.servers.said()}")

    def delay(self, node: NodeId) -> None:
        pytest.skip(f"a real {node} can't be made to lag and to answer at once")

    def haunt(self) -> None:
        """Add a member that nobody runs: etcd takes it only when all have been connected for five seconds."""
        until(lambda: "member" in self.ask(NODES[0], "cluster/member/add", peerURLs=[f"http://{GHOST}:{PEERS}"]))
        self.seats += 1
        until(lambda: any(peer.address == GHOST and peer.healthy is False for peer in self.view().peers), lambda: str(self.view()))

    def ask(self, node: NodeId, call: str, **body: Any) -> dict[str, Any]:
        """Make a call of the gateway; a refusal is an answer too."""
        url = f"http://{self.addresses[node]}:{CLIENTS}/v3/{call}"
        request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=LIMIT_S) as answer:
                said: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error)
        return said
