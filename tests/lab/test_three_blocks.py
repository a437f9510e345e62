"""The example infrastructure from nothing to nothing: three blocks in order, states in S3, two environments at once on one machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rehearsal import Rehearsal, rename_group
from tests.lab.three import Infrastructure, ask, begun, changed, get, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ORDER = ["base", "consul", "service"]
STATEFUL = [f"{cluster}/{key}" for cluster in ("consul/server", "service/etcd") for key in "abc"]
NODES = [*STATEFUL, "service/web/a", "service/web/b"]
LEASE_TTL = ("--lease-ttl", "10")  # a killed run's lease is waited for


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Infrastructure]]:
    """Two environments, each in a lab of its own with a home of its own."""
    rehearsals = [Rehearsal(tmp_path / name, alone=False) for name in ("one", "two")]
    try:
        yield [Infrastructure(rehearsal) for rehearsal in rehearsals]
    finally:
        for rehearsal in rehearsals:
            rehearsal.close()


@pytest.mark.lab(minutes=14)
def test_two_environments_are_created_upgraded_and_destroyed_side_by_side(pair: list[Infrastructure]) -> None:
    """One is upgraded in one go, the other is killed in the middle of it (F5) and finished by the next run; neither sees the other."""
    with ThreadPoolExecutor(2) as pool:
        lives = [pool.submit(live, made, killed=killed) for made, killed in zip(pair, (False, True), strict=True)]
        for life in lives:
            life.result()


def live(made: Infrastructure, *, killed: bool) -> None:
    """Create at the version before, upgrade, destroy, and look at everything in between. In the newer consul a group has moved."""
    before, now = made.older(), made.blocks("now")
    rename_group(now / "consul")
    assert begun(made.run("create", before).expect(0)) == ORDER
    assert made.versions() == {"base": "1.0.0", "consul": "1.0.0", "service": "1.0.0"}
    assert sorted(made.cloud.instances()) == NODES
    assert sorted(made.cloud.volumes()) == STATEFUL
    keys, instances, volumes, groups = made.store.write(20), made.cloud.instances(), made.cloud.volumes(), consul_groups(made)
    put(made.addresses("service/etcd")["a"], "kept", "through the upgrade")

    if killed:
        child = made.begin("upgrade", now, *LEASE_TTL)
        child.until(second_stopped("service", "etcd"), 1500.0)
        child.kill(tree=True)
        child.ended(60.0)
    ended = made.run("upgrade", now, *LEASE_TTL).expect(0)

    assert begun(ended) == ORDER
    assert made.versions() == {"base": "1.0.0", "consul": "1.1.0", "service": "1.1.0"}
    after = made.cloud.instances()
    assert sorted(after) == NODES
    assert not set(after.values()) & set(instances.values()), "each node has another instance"
    assert made.cloud.volumes() == {node: (volume, after[node]) for node, (volume, _) in volumes.items()}
    assert consul_groups(made) == {"servers": groups["server"]}, "recorded under its new address, and the same one"
    assert made.store.read() == keys
    assert get(made.addresses("service/etcd")["b"], "kept") == "through the upgrade"
    assert {ask(f"{address}:8080/")["version"] for address in made.addresses("service/web").values()} == {"1.1.0"}

    assert begun(made.run("destroy", now).expect(0)) == ORDER[::-1]
    assert (made.cloud.machines(), made.cloud.volumes()) == ([], {})
    assert [name for name, state in made.states().items() if state["resources"]] == []


def consul_groups(made: Infrastructure) -> dict[str, str]:
    """Return the ids of consul's security groups by their names in Terraform's state."""
    rows = [row for row in made.states()["consul"]["resources"] if row["type"] == "aws_security_group"]
    return {row["name"]: row["instances"][0]["attributes"]["id"] for row in rows}


def second_stopped(block: str, cluster: str) -> Callable[[dict[str, Any]], bool]:
    """Return what holds when the second node of a cluster was stopped: one is done, one is away, one is still to come."""
    stopped: list[str] = []

    def look(event: dict[str, Any]) -> bool:
        told = event.get("told", {})
        if (
            event["event"] == "block_told"
            and event["block"] == block
            and (told["event"], told.get("step")) == ("step_finished", "StopNode")
        ):
            stopped.extend([told["node"]] if told["node"].startswith(f"{cluster}/") else [])
        return len(stopped) == 2

    return look


@pytest.mark.lab(minutes=6)
def test_base_goes_where_its_consumers_go_along_and_only_then(infrastructure: Rehearsal) -> None:
    """A base that consul doesn't accept is refused before anything; with a consul that accepts both, that one goes first."""
    made = Infrastructure(infrastructure, servers="a")
    now = made.blocks("now")
    for left_out in sorted((now / "service").rglob("immtf.yaml")):
        left_out.unlink()
    assert begun(made.run("create", now).expect(0)) == ["base", "consul"]
    before, instances = made.states(), made.cloud.instances()

    changed(now / "base/immtf.yaml", ("version: 1.0.0", "version: 2.0.0"))
    refused = made.run("upgrade", now).expect(30)
    halted = refused.one("run_halted")
    assert begun(refused) == begun(made.run("plan", now).expect(30)) == []
    assert "base" in halted["what"]
    assert "consul" in halted["what"]
    alone = made.run("upgrade", now / "base").expect(30).one("run_halted")
    assert "consul" in alone["what"]
    assert (made.states(), made.cloud.instances()) == (before, instances)

    changed(now / "consul/immtf.yaml", ("\nversion: 1.1.0\n", "\nversion: 1.2.0\n"), ('version: "~> 1.0"', 'version: ">= 1.0, < 3.0"'))
    shown = made.run("plan", now).expect(10)
    assert begun(shown) == ["consul", "base"]
    assert [(row["block"], row["now"], row["version"]) for row in shown.one("blocks_planned")["rows"]] == [
        ("consul", "1.1.0", "1.2.0"),
        ("base", "1.0.0", "2.0.0"),
    ]
    assert made.cloud.instances() == instances
    assert begun(made.run("upgrade", now).expect(0)) == ["consul", "base"]
    assert made.versions() == {"base": "2.0.0", "consul": "1.2.0"}
    assert made.cloud.instances() == instances, "neither change was one of a node"
    assert begun(made.run("destroy", now).expect(0)) == ["consul", "base"]
    assert made.cloud.machines() == []
