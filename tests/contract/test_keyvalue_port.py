"""The probe's `KeyValue` port: the same cases on its fake, and on Consul's KV behind HTTP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul_kv import ConsulKv
from immtf.adapters.etcd_kv import EtcdKv
from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate, EtcdGate
from tests.contract.consul_standin import KV, Script, Standin, standin
from tests.contract.etcd_standin import RANGE, EtcdStandin, etcd_standin
from tests.fakes.store import FakeStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.run.probe import KeyValue

FIRST, SECOND = "127.77.1.11", "127.77.1.12"


@pytest.fixture
def servers() -> Iterator[Standin]:
    with standin(FIRST, SECOND) as made:
        yield made


@pytest.fixture
def kv(servers: Standin) -> ConsulKv:
    return ConsulKv(ConsulGate(port=servers.port), [FIRST, SECOND], {})


@pytest.fixture
def etcds() -> Iterator[EtcdStandin]:
    with etcd_standin(FIRST, SECOND) as made:
        yield made


@pytest.fixture(params=["fake", "http", "etcd"])
def bench(request: pytest.FixtureRequest) -> tuple[KeyValue, Callable[[], None]]:
    """Return a store, and what takes all of it down."""
    if request.param == "fake":
        fake = FakeStore()
        return fake, lambda: setattr(fake, "down", True)
    servers: Standin = request.getfixturevalue("servers" if request.param == "http" else "etcds")

    def down() -> None:
        for address in list(servers.servers):
            servers.down(address)

    return request.getfixturevalue("kv") if request.param == "http" else EtcdKv(EtcdGate(port=servers.port), [FIRST, SECOND], {}), down


def test_what_was_written_is_read(bench: tuple[KeyValue, Callable[[], None]]) -> None:
    store, _ = bench
    assert store.put("p/1/a", "one")
    assert store.put("p/1/0", "")
    assert store.put("p/1/b", "two: ü")
    assert store.put("p/2/a", "other")
    assert (store.get("p/1/b"), store.get("p/1/c")) == ("two: ü", None)
    assert store.get_all("p/1/") == {"p/1/0": "", "p/1/a": "one", "p/1/b": "two: ü"}
    assert store.get_all("p/3/") == {}


def test_a_store_that_is_down_acknowledges_nothing_and_answers_no_read(bench: tuple[KeyValue, Callable[[], None]]) -> None:
    store, down = bench
    down()
    assert store.put("p/a", "one") is False
    with pytest.raises(CloudFailed, match="no server answers"):
        store.get("p/a")
    with pytest.raises(CloudFailed, match="no server answers"):
        store.get_all("p/")


def test_the_next_server_is_asked_and_kept_in_front(servers: Standin, kv: ConsulKv) -> None:
    servers.down(FIRST)
    assert kv.put("p/a", "one")
    assert kv.put("p/b", "two")
    assert [address for address, *_ in servers.asked] == [SECOND, SECOND]


@pytest.mark.parametrize("script", [Script("No cluster leader", 500), Script("rpc error", 503), Script("denied", 403)])
def test_a_refusal_is_no_acknowledgement(servers: Standin, kv: ConsulKv, script: Script) -> None:
    for address in (FIRST, SECOND):
        servers.scripts[address, f"{KV}p/a"] = script
    assert kv.put("p/a", "one") is False
    with pytest.raises(CloudFailed):
        kv.get("p/a")


def test_an_answer_of_false_is_no_acknowledgement(servers: Standin, kv: ConsulKv) -> None:
    for address in (FIRST, SECOND):
        servers.scripts[address, f"{KV}p/a"] = Script(False)
    assert kv.put("p/a", "one") is False


@pytest.mark.parametrize("body", ["<html>", [{"Key": "p/a"}], {"Value": 1}])
def test_garbage_is_no_value(servers: Standin, kv: ConsulKv, body: object) -> None:
    for address in (FIRST, SECOND):
        servers.scripts[address, f"{KV}p/a"] = Script(body)
    with pytest.raises(CloudFailed):
        kv.get("p/a")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"header": {"cluster_id": "1", "revision": "1"}, "kvs": {"key": "cA=="}},
        {"header": {"cluster_id": "1", "revision": "1"}, "kvs": [{"key": 7}]},
        {"header": {"cluster_id": "1", "revision": "1"}, "kvs": [{"key": "!", "value": "!"}]},
        {"header": {"cluster_id": "1", "revision": "1"}, "kvs": [{"value": "cA=="}]},
    ],
    ids=["nothing", "no list", "no text", "no base64", "no key"],
)
def test_garbage_is_no_value_of_etcd_either(etcds: EtcdStandin, body: object) -> None:
    for address in (FIRST, SECOND):
        etcds.scripts[address, RANGE] = Script(body)
    store = EtcdKv(EtcdGate(port=etcds.port), [FIRST, SECOND], {})
    with pytest.raises(CloudFailed, match="no server answers"):
        store.get("p/a")
