"""The `Service` port: the same cases on the simulation's fake, and on the adapter against servers that speak HTTP."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed
from immtf.model.block import EtcdGate
from immtf.plan.quorum import judge_removal, judge_whole, stale_peers
from tests.contract.consul_standin import HEALTH, LEADER, LEAVE, RAFT, TRANSFER, Script, standin
from tests.contract.etcd_benches import EtcdHttpBench, EtcdRealBench
from tests.contract.etcd_program import EtcdServers, etcd_program
from tests.contract.etcd_standin import etcd_standin
from tests.contract.service_benches import GHOST, NODES, A, B, C, FakeBench, HttpBench
from tests.contract.spot import spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.service import Peer
    from tests.contract.service_benches import Bench


@pytest.fixture
def http() -> Iterator[HttpBench]:
    with standin("127.77.0.11", "127.77.0.12", "127.77.0.13") as servers:
        yield HttpBench(servers)


@pytest.fixture
def etcd() -> Iterator[EtcdHttpBench]:
    with etcd_standin("127.77.4.11", "127.77.4.12", "127.77.4.13") as servers:
        yield EtcdHttpBench(servers)


@pytest.fixture
def etcd_real(tmp_path: Path) -> Iterator[EtcdRealBench]:
    servers = EtcdServers(etcd_program(os.environ, Path.home()), tmp_path, tuple(f"{spot(78, 0)}.{number}" for number in (11, 12, 13)))
    try:
        yield EtcdRealBench(servers)
    finally:
        servers.close()


@pytest.fixture(params=["fake", "http", "etcd", "etcd_real"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = FakeBench() if request.param == "fake" else request.getfixturevalue(request.param)
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


def test_a_server_that_leaves_is_in_the_configuration_no_more(bench: Bench) -> None:
    if isinstance(bench.gate, EtcdGate):
        with pytest.raises(CloudFailed, match="can't come back with its data"):
            bench.service.leave(bench.gate, bench.addresses[C])
        return
    assert "left the cluster" in bench.service.leave(bench.gate, bench.addresses[C])
    view = bench.service.view(bench.gate, bench.addresses)
    assert (view.problem, view.leader(), view.peer(C)) == ("", A, None)
    assert len(view.peers) == 2


def test_a_server_that_is_dead_can_not_leave(bench: Bench) -> None:
    bench.kill(C)
    with pytest.raises(CloudFailed):
        bench.service.leave(bench.gate, bench.addresses[C])


def test_a_leave_that_is_not_allowed_is_told(http: HttpBench) -> None:
    http.servers.scripts[http.addresses[C], LEAVE] = Script("Permission denied", 403)
    with pytest.raises(CloudFailed, match=r"Consul did not leave .*403") as refused:
        http.service.leave(http.gate, http.addresses[C])
    assert "agent:write" in refused.value.next


def stale_peer(bench: Bench) -> Peer:
    """Return the dead peer, as it is seen when it may be removed."""
    (peer,) = stale_peers(bench.service.view(bench.gate, bench.addresses))
    return peer


def test_a_stale_peer_is_seen_and_removed(bench: Bench) -> None:
    """F29: who is struck out is gone from the configuration; asked for once more, it is gone already."""
    bench.haunt()
    peer = stale_peer(bench)
    assert (peer.address, peer.voter, peer.healthy) == (GHOST, True, False)
    view = bench.service.view(bench.gate, bench.addresses)
    assert not judge_whole(view, 3).held
    assert judge_removal(view, peer).held
    assert GHOST in bench.service.remove_peer(bench.gate, bench.addresses[B], peer)
    assert judge_whole(bench.service.view(bench.gate, bench.addresses), 3).held
    assert "no peer any more" in bench.service.remove_peer(bench.gate, bench.addresses[B], peer)


def test_a_peer_that_is_at_another_address_by_now_is_left_alone(bench: Bench) -> None:
    """F29: a server that came back under its identity is no stale peer."""
    view = bench.service.view(bench.gate, bench.addresses)
    peer = next(peer for peer in view.peers if peer.address == bench.addresses[B])
    with pytest.raises(CloudFailed, match=f"at {bench.addresses[B]} now"):
        bench.service.remove_peer(bench.gate, bench.addresses[A], replace(peer, address=GHOST))
    assert bench.service.view(bench.gate, bench.addresses).peers == view.peers


def test_a_removal_that_can_not_be_asked_for_is_an_error(bench: Bench) -> None:
    bench.haunt()
    peer = stale_peer(bench)
    bench.kill(B)
    with pytest.raises(CloudFailed):
        bench.service.remove_peer(bench.gate, bench.addresses[B], peer)


def test_an_unhealthy_cluster_s_health_is_read_all_the_same(http: HttpBench) -> None:
    """Consul answers 429 with the whole body then."""
    http.servers.sick = {http.addresses[C]}
    view = http.service.view(http.gate, http.addresses)
    assert view.problem == ""
    assert [peer.healthy for peer in view.peers] == [True, True, False]


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


def test_a_consul_without_the_call_says_so(http: HttpBench) -> None:
    """Before 1.15 there is no transfer."""
    http.servers.scripts[http.addresses[A], TRANSFER] = Script("", 404)
    with pytest.raises(CloudFailed, match="does not know how"):
        http.service.hand_over(http.gate, http.addresses[A], http.addresses[B])
