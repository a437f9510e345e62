"""One `Service` for both kinds of gate: each is spoken to in its own way, also where one block has both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul_kv import ConsulKv
from immtf.adapters.etcd_kv import EtcdKv
from immtf.adapters.services import Services, store
from immtf.plan.quorum import judge_whole, stale_peers
from tests.contract.consul_standin import standin
from tests.contract.etcd_benches import EtcdHttpBench
from tests.contract.etcd_standin import etcd_standin
from tests.contract.service_benches import GHOST, NODES, A, B, HttpBench

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("127.77.6.11", "127.77.6.12", "127.77.6.13")


@pytest.fixture(params=[(standin, HttpBench, ConsulKv), (etcd_standin, EtcdHttpBench, EtcdKv)], ids=["consul", "etcd"])
def bench(request: pytest.FixtureRequest) -> Iterator[tuple[HttpBench | EtcdHttpBench, type]]:
    serve, make, kind = request.param
    with serve(*PLACES) as servers:
        yield make(servers), kind


def test_the_gate_says_who_is_asked(bench: tuple[HttpBench | EtcdHttpBench, type]) -> None:
    made, kind = bench
    services = Services({})
    assert judge_whole(services.view(made.gate, made.addresses), len(NODES)).held
    assert made.addresses[B] in services.hand_over(made.gate, made.addresses[A], made.addresses[B])
    assert services.view(made.gate, made.addresses).leader() == B
    made.haunt()
    (peer,) = stale_peers(services.view(made.gate, made.addresses))
    assert GHOST in services.remove_peer(made.gate, made.addresses[A], peer)
    keys = store(made.gate, list(made.addresses.values()), {})
    assert isinstance(keys, kind)
    assert keys.put("p/1", "one")
    assert keys.get("p/1") == "one"
