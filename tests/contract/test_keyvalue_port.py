"""The probe's `KeyValue` port: the same cases on its fake, and on Consul's KV behind HTTP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul_kv import ConsulKv
from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate
from tests.contract.consul_standin import KV, Script, Standin, standin
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


@pytest.fixture(params=["fake", "http"])
def bench(request: pytest.FixtureRequest) -> tuple[KeyValue, Callable[[], None]]:
    """Return a store, and what takes all of it down."""
    if request.param == "fake":
        fake = FakeStore()
        return fake, lambda: setattr(fake, "down", True)
    servers: Standin = request.getfixturevalue("servers")

    def down() -> None:
        for address in list(servers.servers):
            servers.down(address)

    return request.getfixturevalue("kv"), down


def test_what_was_written_is_read(bench: tuple[KeyValue, Callable[[], None]]) -> None:
    store, _ = bench
    assert store.put("p/1/a", "one")
    assert store.put("p/1/b", "two: ü")
    assert store.put("p/2/a", "other")
    assert (store.get("p/1/b"), store.get("p/1/c")) == ("two: ü", None)
    assert store.get_all("p/1/") == {"p/1/a": "one", "p/1/b": "two: ü"}
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
