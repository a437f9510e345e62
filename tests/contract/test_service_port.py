"""The `Service` port: the same cases on the simulation's fake, and on the adapter against servers that speak HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from immtf.adapters.consul import ConsulService
from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
from tests.contract.consul_standin import HANG_S, HEALTH, LEADER, RAFT, TRANSFER, Script, Standin, standin
from tests.fakes.service import FakeService
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from immtf.run.ports import Service

A, B, C = (NodeId("server", key) for key in "abc")
NODES = (A, B, C)


class Bench(Protocol):
    """Three servers that are well; a leads."""

    service: Service
    gate: ConsulGate
    addresses: Mapping[NodeId, str]

    def kill(self, *nodes: NodeId) -> None:
        """Let these servers die, and give the others time to see it."""

    def delay(self, node: NodeId) -> None:
        """Let a server fall behind."""


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


class HttpBench:
    """The adapter on the stand-in."""

    def __init__(self, servers: Standin) -> None:
        self.servers = servers
        self.service: Service = ConsulService({})
        self.gate = ConsulGate(port=servers.port, timeout_s=1.0)
        self.addresses: Mapping[NodeId, str] = dict(zip(NODES, servers.addresses, strict=True))

    def kill(self, *nodes: NodeId) -> None:
        for node in nodes:
            self.servers.down(self.addresses[node])
            self.servers.sick.add(self.addresses[node])
        alive = sorted(self.servers.servers)
        self.servers.leader = alive[0] if len(alive) > 1 else ""

    def delay(self, node: NodeId) -> None:
        self.servers.lag[self.addresses[node]] = 600


@pytest.fixture
def http() -> Iterator[HttpBench]:
    with standin("127.77.0.11", "127.77.0.12", "127.77.0.13") as servers:
        yield HttpBench(servers)


@pytest.fixture(params=["fake", "http"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = FakeBench() if request.param == "fake" else request.getfixturevalue("http")
    return made


def test_a_whole_cluster(bench: Bench) -> None:
    view = bench.service.view(bench.gate, bench.addresses)
    assert (view.problem, view.leader()) == ("", A)
    assert {answer.leader for answer in view.answers.values()} == {bench.addresses[A]}
    peers = [view.peer(node) for node in NODES]
    assert [(peer.voter, peer.healthy, peer.lag) for peer in peers if peer] == [(True, True, 0)] * 3
    assert len({peer.identity for peer in peers if peer}) == 3


def test_a_dead_server_is_told_and_never_left_out(bench: Bench) -> None:
    bench.kill(B)
    view = bench.service.view(bench.gate, bench.addresses)
    assert set(view.answers) == set(NODES)
    assert view.answers[B].problem
    assert not view.answers[B].leader
    assert (view.problem, view.leader()) == ("", A)
    peer = view.peer(B)
    assert peer is not None
    assert peer.healthy is False


def test_the_leader_s_death_moves_leadership(bench: Bench) -> None:
    bench.kill(A)
    view = bench.service.view(bench.gate, bench.addresses)
    assert view.answers[A].problem
    assert view.leader() in {B, C}


def test_without_a_majority_nobody_leads_and_that_is_a_problem(bench: Bench) -> None:
    bench.kill(A, B)
    view = bench.service.view(bench.gate, bench.addresses)
    assert view.leader() is None
    assert view.problem
    assert view.peers == ()
    assert (view.answers[C].problem, view.answers[C].leader) == ("", "")


def test_a_node_without_an_address_is_a_problem(bench: Bench) -> None:
    view = bench.service.view(bench.gate, {**bench.addresses, B: ""})
    assert view.answers[B].problem
    assert view.peer(B) is None


def test_a_server_that_is_behind(bench: Bench) -> None:
    bench.delay(C)
    peer = bench.service.view(bench.gate, bench.addresses).peer(C)
    assert peer is not None
    assert peer.lag is not None
    assert peer.lag > bench.gate.max_lag


def test_leadership_is_handed_over(bench: Bench) -> None:
    assert bench.addresses[C] in bench.service.hand_over(bench.gate, bench.addresses[A], bench.addresses[C])
    assert bench.service.view(bench.gate, bench.addresses).leader() == C


def test_a_hand_over_to_who_is_no_peer_is_an_error(bench: Bench) -> None:
    with pytest.raises(CloudFailed):
        bench.service.hand_over(bench.gate, bench.addresses[A], "127.77.0.99")


def test_an_unhealthy_cluster_s_health_is_read_all_the_same(http: HttpBench) -> None:
    """Consul answers 429 with the whole body then."""
    http.servers.sick = {http.addresses[C]}
    view = http.service.view(http.gate, http.addresses)
    assert view.problem == ""
    assert [peer.healthy for peer in view.peers] == [True, True, False]


@pytest.mark.parametrize(
    ("body", "status"),
    [("<html>", 200), ("", 200), ([], 200), ({"Servers": [{"ID": "x"}]}, 200), ({"Servers": None}, 200), ("denied", 403), ("oops", 500)],
)
@pytest.mark.parametrize("path", [RAFT, HEALTH])
def test_what_can_not_be_read_is_unknown(http: HttpBench, path: str, body: object, status: int) -> None:
    for address in http.addresses.values():
        http.servers.scripts[address, path] = Script(body, status)
    view = http.service.view(http.gate, http.addresses)
    assert view.problem.startswith("no server tells the Raft configuration")
    assert view.peers == ()


@pytest.mark.parametrize("body", [None, 17, ["a"], {"Leader": "x"}, "without a port", ":8300"])
def test_a_leader_that_can_not_be_read_is_nobody(http: HttpBench, body: object) -> None:
    for address in http.addresses.values():
        http.servers.scripts[address, LEADER] = Script(body)
    assert http.service.view(http.gate, http.addresses).leader() is None


def test_a_server_that_hangs_costs_its_limit_and_no_more(http: HttpBench) -> None:
    http.gate = replace(http.gate, timeout_s=0.3)
    for node in (B, C):
        http.servers.scripts[http.addresses[node], LEADER] = Script("x", hang_s=HANG_S)
    start = time.monotonic()
    view = http.service.view(http.gate, http.addresses)
    assert time.monotonic() - start < 1.5
    assert [view.answers[node].problem for node in NODES] == ["", "no answer in time", "no answer in time"]


def test_the_leader_is_asked_first_and_the_next_one_where_it_does_not_tell(http: HttpBench) -> None:
    http.servers.leader = http.addresses[C]
    http.service.view(http.gate, http.addresses)
    assert [address for address, _, path, _ in http.servers.asked if path == RAFT] == [http.addresses[C]]
    http.servers.scripts[http.addresses[C], RAFT] = Script("oops", 500)
    view = http.service.view(http.gate, http.addresses)
    assert (view.problem, len(view.peers)) == ("", 3)


def test_servers_that_name_different_leaders_have_none(http: HttpBench) -> None:
    http.servers.scripts[http.addresses[B], LEADER] = Script(f"{http.addresses[B]}:8300")
    assert http.service.view(http.gate, http.addresses).leader() is None


def test_a_server_that_the_leader_knows_no_health_of_is_unknown(http: HttpBench) -> None:
    rows = [{"ID": f"id-{http.addresses[A]}", "Healthy": True, "LastIndex": 5}]
    http.servers.scripts[http.addresses[A], HEALTH] = Script({"Servers": rows})
    view = http.service.view(http.gate, http.addresses)
    assert [(peer.healthy, peer.lag) for peer in view.peers] == [(True, 0), (None, None), (None, None)]


def test_an_address_of_the_sixth_version(http: HttpBench) -> None:
    http.servers.scripts[http.addresses[A], RAFT] = Script({"Servers": [{"ID": "x", "Address": "[fd00::11]:8300", "Voter": False}]})
    (peer,) = http.service.view(http.gate, http.addresses).peers
    assert (peer.address, peer.voter, peer.healthy) == ("fd00::11", False, None)


@pytest.mark.parametrize(
    ("environment", "token_env", "token"),
    [
        ({}, None, ""),
        ({"CONSUL_HTTP_TOKEN": "general"}, None, "general"),
        ({"CONSUL_HTTP_TOKEN": "general", "MINE": "special"}, "MINE", "special"),
        ({"CONSUL_HTTP_TOKEN": "general"}, "MINE", ""),
    ],
)
def test_the_token_that_is_meant_goes_along_with_every_question(
    http: HttpBench, environment: dict[str, str], token_env: str | None, token: str
) -> None:
    service, gate = ConsulService(environment), replace(http.gate, token_env=token_env)
    service.view(gate, http.addresses)
    service.hand_over(gate, http.addresses[A], http.addresses[B])
    assert {path for _, _, path, _ in http.servers.asked} == {LEADER, RAFT, HEALTH, TRANSFER}
    assert {sent for _, _, _, sent in http.servers.asked} == {token}


ASK = """
import os
from immtf.adapters.consul import ConsulService
from immtf.adapters.consul_kv import ConsulKv
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
gate = ConsulGate(port={port}, token_env="MINE")
print(ConsulService(os.environ).view(gate, {{NodeId("server", "a"): {address!r}}}).problem)
print(ConsulKv(gate, [{address!r}], os.environ).put("k", "v"))
"""


def test_the_process_s_own_environment_does_not_come_in_between(http: HttpBench) -> None:
    """The client library would prefer CONSUL_HTTP_TOKEN to any token it is given, and go through a proxy to private addresses."""
    environment = {"CONSUL_HTTP_TOKEN": "general", "MINE": "special", "http_proxy": "http://127.0.0.1:9", "HOME": "/nowhere"}
    script = ASK.format(port=http.gate.port, address=http.addresses[A])
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\nTrue\n"
    assert {sent for _, _, _, sent in http.servers.asked} == {"special"}


def test_a_token_that_is_denied_is_told(http: HttpBench) -> None:
    for address in http.addresses.values():
        http.servers.scripts[address, RAFT] = Script("Permission denied", 403)
    view = http.service.view(http.gate, http.addresses)
    assert "Permission denied" in view.problem
    with pytest.raises(CloudFailed, match="Permission denied"):
        http.service.hand_over(http.gate, http.addresses[A], http.addresses[B])


def test_a_consul_without_the_call_says_so(http: HttpBench) -> None:
    """Before 1.15 there is no transfer."""
    http.servers.scripts[http.addresses[A], TRANSFER] = Script("", 404)
    with pytest.raises(CloudFailed, match="does not know how"):
        http.service.hand_over(http.gate, http.addresses[A], http.addresses[B])
