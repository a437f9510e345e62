"""Further network interfaces: every runtime keeps these, the fake one too; those with `guest` need one in which programs really run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from immtf.lab.runtime import RuntimeFailed
from tests.contract.runtime_benches import DATA, LABS, Bench, GuestBench, ProcessBench, eventually, make_bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCKER = [pytest.param(name, marks=pytest.mark.docker) for name in LABS]
SERVED = "import http.server; http.server.HTTPServer(('{address:1}', 8081), http.server.SimpleHTTPRequestHandler).serve_forever()"
WEB = {"name": "web", "after": [DATA, "interface:1"], "command": ["python3", "-c", SERVED]}


@pytest.fixture(params=["fake", "process", *DOCKER])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = make_bench(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=["process", *DOCKER])
def guest(request: pytest.FixtureRequest) -> Iterator[GuestBench]:
    made = make_bench(request.param, request)
    assert isinstance(made, GuestBench)
    yield made
    made.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[ProcessBench]:
    """Runtime `process`, where the order of things is in the log of the lab's own init."""
    made = ProcessBench(tmp_path)
    yield made
    made.close()


def address(bench: Bench, host: int = 50) -> str:
    return bench.spec(host=host).address


def interfaces(bench: Bench, instance_id: str = "i-1") -> dict[str, str]:
    return next(row.interfaces for row in bench.runtime.instances() if row.instance_id == instance_id)


class TestAnyRuntime:
    def test_an_interface_is_listed_and_kept_over_stop_and_start(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec())
        assert interfaces(bench) == {}
        for _ in range(2):
            bench.runtime.attach_interface("i-1", address(bench), 1)
        assert interfaces(bench) == {"1": address(bench)}
        bench.runtime.stop("i-1")
        assert interfaces(bench) == {"1": address(bench)}
        bench.runtime.start("i-1")
        assert interfaces(bench) == {"1": address(bench)}
        for _ in range(2):
            bench.runtime.detach_interface("i-1", 1)
        assert interfaces(bench) == {}

    def test_a_stopped_instance_gives_its_address_to_another_one(self, bench: Bench) -> None:
        bench.image()
        for number in (1, 2):
            bench.runtime.boot(bench.spec(f"i-{number}", host=10 + number))
        bench.runtime.attach_interface("i-1", address(bench), 1)
        bench.runtime.stop("i-1")
        bench.runtime.detach_interface("i-1", 1)
        bench.runtime.attach_interface("i-2", address(bench), 1)
        bench.runtime.start("i-1")
        assert (interfaces(bench, "i-1"), interfaces(bench, "i-2")) == ({}, {"1": address(bench)})

    def test_an_address_goes_to_a_stopped_instance_and_is_free_when_that_ends(self, bench: Bench) -> None:
        bench.image()
        for number in (1, 2):
            bench.runtime.boot(bench.spec(f"i-{number}", host=10 + number))
        bench.runtime.stop("i-1")
        bench.runtime.attach_interface("i-1", address(bench), 1)
        bench.runtime.terminate("i-1")
        bench.runtime.attach_interface("i-2", address(bench), 1)
        assert interfaces(bench, "i-2") == {"1": address(bench)}

    def test_what_is_taken_or_unknown_is_refused(self, bench: Bench) -> None:
        bench.image()
        for number in (1, 2):
            bench.runtime.boot(bench.spec(f"i-{number}", host=10 + number))
        bench.runtime.attach_interface("i-1", address(bench), 1)
        for act in (
            lambda: bench.runtime.attach_interface("i-2", address(bench), 1),
            lambda: bench.runtime.attach_interface("i-1", address(bench, 51), 1),
            lambda: bench.runtime.attach_interface("i-1", address(bench, 12), 2),
            lambda: bench.runtime.attach_interface("i-1", address(bench, 51), 0),
            lambda: bench.runtime.attach_interface("i-none", address(bench, 51), 1),
            lambda: bench.runtime.detach_interface("i-1", 0),
            lambda: bench.runtime.detach_interface("i-none", 1),
            lambda: bench.runtime.boot(bench.spec("i-3", host=50)),
        ):
            with pytest.raises(RuntimeFailed):
                act()
        assert (interfaces(bench, "i-1"), interfaces(bench, "i-2")) == ({"1": address(bench)}, {})


def serving(guest: GuestBench, instance_id: str = "i-1") -> None:
    eventually(lambda: guest.status(instance_id).services == {"web": "running"})
    ask = f"import socket; socket.create_connection(('{address(guest)}', 8081), 5).close()"
    eventually(lambda: guest.runtime.execute(instance_id, f'python3 -c "{ask}"', timeout_s=60).exit_code == 0)


def with_both(guest: GuestBench) -> None:
    """Boot an instance whose service has its volume and its address."""
    guest.image(services=[WEB])
    guest.runtime.boot(guest.spec())
    guest.runtime.create_volume("vol-1")
    guest.runtime.attach("vol-1", "i-1", "/dev/xvdf")
    guest.mounted("vol-1", "i-1")
    guest.runtime.attach_interface("i-1", address(guest), 1)
    serving(guest)


def test_a_service_waits_for_its_address_as_for_its_volume(guest: GuestBench) -> None:
    guest.image(services=[WEB])
    guest.runtime.boot(guest.spec())
    guest.runtime.attach_interface("i-1", address(guest), 1)
    guest.runtime.create_volume("vol-1")
    eventually(lambda: guest.status().services == {"web": "waiting"})
    guest.runtime.attach("vol-1", "i-1", "/dev/xvdf")
    guest.mounted("vol-1", "i-1")
    serving(guest)
    guest.runtime.stop("i-1")
    guest.runtime.start("i-1")
    serving(guest)


def test_volume_and_address_move_to_the_next_instance(guest: GuestBench) -> None:
    with_both(guest)
    guest.runtime.boot(guest.spec("i-2", host=12))
    eventually(lambda: guest.status("i-2").services == {"web": "waiting"})
    guest.runtime.stop("i-1")
    guest.runtime.detach_interface("i-1", 1)
    guest.runtime.detach("vol-1")
    guest.runtime.attach_interface("i-2", address(guest), 1)
    guest.runtime.attach("vol-1", "i-2", "/dev/xvdf")
    serving(guest, "i-2")


def test_a_service_stops_when_its_address_is_taken_and_starts_with_the_next_one(guest: GuestBench) -> None:
    with_both(guest)
    guest.runtime.detach_interface("i-1", 1)
    eventually(lambda: guest.status().services == {"web": "waiting"})
    assert guest.status().mounts == {DATA: "vol-1"}
    guest.runtime.attach_interface("i-1", address(guest), 1)
    serving(guest)


LOOP = "trap 'sleep 0.3; echo {0} stops; exit' TERM; echo {0} has {{address:1}}; while :; do sleep 0.05; done"


def test_services_stop_in_order_before_their_address_is_gone(supervised: ProcessBench) -> None:
    services = [
        {"name": "db", "after": ["interface:1"], "command": ["sh", "-c", LOOP.format("db")]},
        {"name": "web", "after": ["db"], "command": ["sh", "-c", LOOP.format("web").replace("{address:1}", "nothing")]},
        {"name": "other", "command": ["sleep", "1000"]},
    ]
    supervised.image(mounts=[], services=services)
    supervised.runtime.boot(supervised.spec())
    supervised.runtime.attach_interface("i-1", address(supervised), 1)
    eventually(lambda: "web: web has" in supervised.log())
    eventually(lambda: f"db: db has {address(supervised)}" in supervised.log())
    supervised.runtime.detach_interface("i-1", 1)
    log = supervised.log()
    said = ["stopping web", "web ended with", "stopping db", "db ended with", "interface:1 detached"]
    assert [log.count(words) for words in said] == [1] * len(said)
    assert sorted(said, key=log.index) == said
    assert supervised.status().services == {"db": "waiting", "web": "waiting", "other": "running"}
    assert len(re.findall("started (db|web)", log)) == 2


def test_a_service_that_will_not_stop_does_not_keep_its_address(supervised: ProcessBench) -> None:
    stubborn = {
        "name": "it",
        "after": ["interface:1"],
        "stop_grace_s": 0.3,
        "command": ["sh", "-c", "trap '' TERM; echo {address:1}; sleep 1000"],
    }
    supervised.image(mounts=[], services=[stubborn])
    supervised.runtime.boot(supervised.spec())
    supervised.runtime.attach_interface("i-1", address(supervised), 1)
    eventually(lambda: f"it: {address(supervised)}" in supervised.log())
    supervised.runtime.detach_interface("i-1", 1)
    assert "did not stop within 0.3 s: killed" in supervised.log()
    assert interfaces(supervised) == {}


def test_a_killed_guest_keeps_its_address(supervised: ProcessBench) -> None:
    supervised.image(mounts=[], services=[{"name": "it", "after": ["interface:1"], "command": ["sleep", "1000"]}])
    supervised.runtime.boot(supervised.spec())
    supervised.runtime.attach_interface("i-1", address(supervised), 1)
    eventually(lambda: supervised.status().services == {"it": "running"})
    supervised.runtime.stop("i-1", force=True)
    supervised.runtime.start("i-1")
    eventually(lambda: supervised.status().services == {"it": "running"})
    assert interfaces(supervised) == {"1": address(supervised)}


def test_an_address_comes_and_goes_while_user_data_runs(supervised: ProcessBench) -> None:
    supervised.image(mounts=[], services=[{"name": "it", "after": ["interface:1"], "command": ["sleep", "1000"]}])
    supervised.runtime.boot(supervised.spec(user_data='#!/bin/sh\nuntil [ -e "$IMMTF_ROOT/go" ]; do sleep 0.05; done\n'))
    for host in (50, 51):
        supervised.runtime.attach_interface("i-1", address(supervised, host), 1)
        if host == 50:
            supervised.runtime.detach_interface("i-1", 1)
    supervised.sh('touch "$IMMTF_ROOT/go"')
    eventually(lambda: supervised.status().services == {"it": "running"})
    assert interfaces(supervised) == {"1": address(supervised, 51)}
