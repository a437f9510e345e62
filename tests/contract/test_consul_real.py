"""The adapters for Consul against real servers, where this machine has a Consul that will do."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul import ConsulService
from immtf.adapters.consul_kv import ConsulKv
from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
from immtf.plan.quorum import judge_removal, judge_spare, judge_whole, stale_peers
from tests.contract.consul_program import consul_program
from tests.contract.spot import spot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.model.service import Peer

NET = spot(76, 0)
ADDRESSES = {NodeId("server", key): f"{NET}.{number}" for key, number in (("a", 11), ("b", 12), ("c", 13))}
GATE = ConsulGate(timeout_s=2.0)
STRANGER = NodeId("stranger", "d")
PLACES = {**ADDRESSES, STRANGER: f"{NET}.14"}
LIMIT_S = 60.0


class Servers:
    """Three agents, one an address."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._running: dict[NodeId, subprocess.Popen[bytes]] = {}
        self._places = dict(PLACES)

    def start(self, node: NodeId) -> None:
        """Start a server, where it doesn't run."""
        if node in self._running:
            return
        address = self._places[node]
        (self._folder / node.key).mkdir(exist_ok=True)
        config = self._folder / f"{node.key}.json"
        settings = {
            "server": True,
            "bootstrap_expect": 3,
            "node_name": node.key,
            "data_dir": str(self._folder / node.key),
            "bind_addr": address,
            "client_addr": address,
            "retry_join": list(ADDRESSES.values()),
            "retry_interval": "1s",
            "ports": {"dns": -1, "grpc": -1},
            "performance": {"raft_multiplier": 1},
            "autopilot": {"cleanup_dead_servers": False, "server_stabilization_time": "1s"},
            "disable_update_check": True,
            "ui": False,
        }
        config.write_text(json.dumps(settings))
        with (self._folder / f"{node.key}.log").open("ab") as log:
            self._running[node] = subprocess.Popen([self._program, "agent", f"-config-file={config}"], stdout=log, stderr=log)

    def kill(self, node: NodeId) -> None:
        child = self._running.pop(node)
        child.kill()
        child.wait(LIMIT_S)

    def move(self, node: NodeId, address: str) -> None:
        """Start a server that ends by itself again, with its data, at another address."""
        self._running.pop(node).wait(LIMIT_S)
        self._places[node] = address
        self.start(node)

    def close(self) -> None:
        for node in list(self._running):
            self.kill(node)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    made = Servers(consul_program(os.environ, Path.home()), tmp_path_factory.mktemp("consul"))
    try:
        for node in ADDRESSES:
            made.start(node)
        yield made
    finally:
        made.close()


def test_a_cluster_from_its_first_election_to_a_death_and_back(servers: Servers) -> None:
    """One test, as a real cluster takes its seconds: whole, written to, not to be spared while one is away, whole again."""
    service = ConsulService({})

    def whole() -> bool:
        return judge_whole(service.view(GATE, ADDRESSES), 3, max_lag=GATE.max_lag).held

    until(whole)
    view = service.view(GATE, ADDRESSES)
    leader = view.leader()
    assert leader is not None
    follower, victim = (node for node in ADDRESSES if node != leader)
    store = ConsulKv(GATE, [ADDRESSES[leader], ADDRESSES[follower]], {})
    assert store.put("p/1", "one")
    assert (store.get("p/1"), store.get("p/2"), store.get_all("p/")) == ("one", None, {"p/1": "one"})

    servers.kill(victim)
    view = service.view(GATE, ADDRESSES)
    assert view.answers[victim].problem == "can't be connected to"
    assert not judge_whole(view, 3, max_lag=GATE.max_lag).held
    assert not judge_spare(view, follower, max_lag=GATE.max_lag).held
    assert judge_spare(view, victim, max_lag=GATE.max_lag).held
    assert store.put("p/2", "two")

    servers.start(victim)
    until(whole)
    assert ConsulKv(GATE, [ADDRESSES[victim]], {}).get_all("p/") == {"p/1": "one", "p/2": "two"}
    moved = _hand_over(service, leader, follower)
    until(lambda: whole() and service.view(GATE, ADDRESSES).leader() == (follower if moved else leader))


def test_a_stale_peer_is_struck_out_only_when_it_is_dead(servers: Servers) -> None:
    """F29: a server that is no node of the block is not to be removed while it lives; when it is dead, it is, and quorum stays."""
    service = ConsulService({})
    for node in ADDRESSES:
        servers.start(node)
    servers.start(STRANGER)
    until(lambda: bool(_strangers(service)))
    (peer,) = _strangers(service)
    until(lambda: _strangers(service)[0].healthy is True)
    view = service.view(GATE, ADDRESSES)
    assert "a server that Terraform does not know" in judge_removal(view, _strangers(service)[0]).reason

    servers.kill(STRANGER)
    until(lambda: _strangers(service)[0].healthy is False)
    until(lambda: judge_removal(service.view(GATE, ADDRESSES), _strangers(service)[0]).held)
    whole = judge_whole(service.view(GATE, ADDRESSES), 3, max_lag=GATE.max_lag)
    assert f"peers that are no node of the block: {NET}.14" in whole.reason
    assert "`immtf repair`" in whole.next
    assert f"removed the peer {NET}.14" in service.remove_peer(GATE, ADDRESSES[NodeId("server", "a")], peer)
    assert "no peer any more" in service.remove_peer(GATE, ADDRESSES[NodeId("server", "b")], peer)
    until(lambda: judge_whole(service.view(GATE, ADDRESSES), 3, max_lag=GATE.max_lag).held)


def _strangers(service: ConsulService) -> tuple[Peer, ...]:
    return stale_peers(service.view(GATE, ADDRESSES))


def _hand_over(service: ConsulService, leader: NodeId, to: NodeId) -> bool:
    """Ask for it; before Consul 1.15 the answer is that it doesn't know how."""
    try:
        service.hand_over(GATE, ADDRESSES[leader], ADDRESSES[to])
    except CloudFailed as error:
        told = error.what
    else:
        return True
    assert "does not know how" in told
    return False


def test_a_server_that_left_comes_back_at_another_address_as_the_one_it_was(servers: Servers) -> None:
    """Its seat goes when it leaves, and it has one again, under the identity in its data, where it is then."""
    service = ConsulService({})
    for node in ADDRESSES:
        servers.start(node)
    until(lambda: judge_whole(service.view(GATE, ADDRESSES), 3, max_lag=GATE.max_lag).held)
    view = service.view(GATE, ADDRESSES)
    mover = next(node for node in ADDRESSES if node != view.leader())
    identity = next(peer.identity for peer in view.peers if peer.address == ADDRESSES[mover])
    assert "left the cluster" in service.leave(GATE, ADDRESSES[mover])
    assert judge_spare(service.view(GATE, ADDRESSES), mover, max_lag=GATE.max_lag).held
    assert service.view(GATE, ADDRESSES).peer(mover) is None

    servers.move(mover, f"{NET}.15")
    moved = {**ADDRESSES, mover: f"{NET}.15"}
    until(lambda: judge_whole(service.view(GATE, moved), 3, max_lag=GATE.max_lag).held)
    peer = service.view(GATE, moved).peer(mover)
    assert peer is not None
    assert peer.identity == identity
