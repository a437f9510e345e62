"""The adapters for etcd against real servers, where this machine has an etcd that will do."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.etcd import EtcdService
from immtf.adapters.etcd_kv import EtcdKv
from immtf.errors import CloudFailed
from immtf.model.block import EtcdGate
from immtf.model.names import NodeId
from immtf.plan.quorum import judge_spare, judge_whole
from tests.contract.etcd_benches import EtcdRealBench
from tests.contract.etcd_program import PEERS, EtcdServers, etcd_program, until
from tests.contract.service_benches import NODES, A, B, C
from tests.contract.spot import spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.service import ServiceView

NET = spot(78, 1)
ADDRESSES = tuple(f"{NET}.{number}" for number in (11, 12, 13))
LEARNER = f"{NET}.14"
D = NodeId("server", "d")


def start(folder: Path, *arguments: str) -> EtcdRealBench:
    """Start three servers; the bench's servers have to be closed."""
    servers = EtcdServers(etcd_program(os.environ, Path.home()), folder, ADDRESSES, arguments)
    try:
        return EtcdRealBench(servers)
    except BaseException:
        servers.close()
        raise


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[EtcdRealBench]:
    made = start(tmp_path)
    yield made
    made.servers.close()


def test_a_cluster_from_whole_to_a_death_and_back(bench: EtcdRealBench) -> None:
    """One test, as a real cluster takes its seconds: written to, not to be spared while one is away, whole again with its own data."""
    store = EtcdKv(bench.gate, ADDRESSES, {})
    assert store.put("p/1", "one")
    assert (store.get("p/1"), store.get("p/2"), store.get_all("p/")) == ("one", None, {"p/1": "one"})
    bench.kill(C)
    view = bench.view()
    assert view.answers[C].problem == "can't be connected to"
    assert not judge_whole(view, 3).held
    assert not judge_spare(view, B).held
    assert judge_spare(view, C).held
    assert store.put("p/3", "three")
    bench.servers.start(bench.addresses[C])
    bench.wait_whole(3)
    assert store.get_all("p/") == {"p/1": "one", "p/3": "three"}
    assert EtcdKv(bench.gate, [bench.addresses[C]], {}).get("p/3") == "three"


def test_a_server_with_an_empty_volume_does_not_begin_anew(bench: EtcdRealBench) -> None:
    """F21: etcd refuses to start where its member had data before; so the gate never sees it well under a new identity."""
    bench.kill(C)
    shutil.rmtree(bench.servers.folder / bench.addresses[C])
    bench.servers.start(bench.addresses[C])
    bench.servers.running[bench.addresses[C]].wait(60)
    assert "has already been bootstrapped" in bench.servers.said()
    assert not judge_whole(bench.view(), 3).held


def test_a_server_that_began_a_cluster_of_its_own_is_not_believed(bench: EtcdRealBench) -> None:
    """F21: one that was forced to start anew leads itself, and is well as far as it knows."""
    bench.kill(C)
    shutil.rmtree(bench.servers.folder / bench.addresses[C])
    alone = EtcdServers(bench.servers.program, bench.servers.folder, (bench.addresses[C],), ("--initial-cluster-token=another",))
    alone.start(bench.addresses[C])
    try:
        until(lambda: bench.view().answers[C].problem.startswith("is of another cluster, "), lambda: f"{bench.view()}\n{alone.said()}")
        assert not judge_whole(bench.view(), 3).held
        assert judge_spare(bench.view(), C).held
    finally:
        alone.close()


def test_a_server_that_hangs_is_unknown_and_costs_its_limit(bench: EtcdRealBench) -> None:
    """F34: a process that is stopped takes connections and says nothing."""
    bench.servers.running[bench.addresses[C]].send_signal(signal.SIGSTOP)
    try:
        view = bench.service.view(replace(bench.gate, timeout_s=4.0), bench.addresses)
        assert view.answers[C].problem == "no answer in time"
        assert not judge_whole(view, 3).held
        assert judge_spare(view, C).held
    finally:
        bench.servers.running[bench.addresses[C]].send_signal(signal.SIGCONT)
    bench.wait_whole(3)


def test_a_learner_is_told_until_it_votes(bench: EtcdRealBench) -> None:
    """A fourth member comes as a learner, is no voter and no heir, and counts when it was promoted."""
    until(lambda: "member" in bench.ask(A, "cluster/member/add", peerURLs=[f"http://{LEARNER}:{PEERS}"], isLearner=True))
    bench.servers.start(LEARNER, existing=True)
    bench.addresses = {**bench.addresses, D: LEARNER}

    def learns(view: ServiceView) -> bool:
        return judge_whole(view, 3).reason == "server/d does not vote yet"

    until(lambda: learns(bench.view()), lambda: f"{bench.view()}\n{bench.servers.said()}")
    with pytest.raises(CloudFailed, match=f"no voter at {LEARNER}"):
        bench.service.hand_over(bench.gate, bench.addresses[A], LEARNER)
    identity = next(peer.identity for peer in bench.view().peers if peer.address == LEARNER)
    until(lambda: "members" in bench.ask(A, "cluster/member/promote", ID=identity))
    bench.wait_whole(4)


def test_a_full_quota_is_an_alarm_until_it_is_disarmed(tmp_path: Path) -> None:
    """A cluster that takes no more writes is not whole, and spares nobody."""
    bench = start(tmp_path, "--quota-backend-bytes=200000")
    try:
        store = EtcdKv(bench.gate, ADDRESSES, {})
        until(lambda: not store.put("p/big", "x" * 20_000))
        until(lambda: f"etcd raises the alarm NOSPACE of {NET}.1" in bench.view().problem, lambda: str(bench.view()))
        assert not judge_whole(bench.view(), 3).held
        assert not any(judge_spare(bench.view(), node).held for node in NODES)
        for row in bench.ask(A, "maintenance/alarm", action="GET")["alarms"]:
            bench.ask(A, "maintenance/alarm", action="DEACTIVATE", memberID=row["memberID"], alarm=row["alarm"])
        bench.wait_whole(3)
    finally:
        bench.servers.close()


def test_a_server_without_the_gateway_says_what_to_do(tmp_path: Path) -> None:
    """With a configuration file etcd 3.4 leaves it out, where the file doesn't say so."""
    servers = EtcdServers(etcd_program(os.environ, Path.home()), tmp_path, ADDRESSES[:1], ("--enable-grpc-gateway=false",))
    servers.start(ADDRESSES[0])
    try:
        service, gate = EtcdService({}), EtcdGate(timeout_s=10.0)
        told = "no JSON gateway is at /v3"
        until(lambda: told in service.view(gate, {A: ADDRESSES[0]}).answers[A].problem, servers.said)
    finally:
        servers.close()
