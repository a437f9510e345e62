"""The benchmark's own client: it asks every node at its fixed address, writes, and hears what Consul says of itself.

The same for every way of rolling, and from outside: nothing here is told by what is being measured. Each kind of look has threads of its
own, so a node that hangs delays no other look.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import DOWN, LEADS, UP, Line, longest_gap, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.benchmarks.figures import Outage

PORT = 8500
LOOK_S = 0.02
RAFT_LOOK_S = 0.2
WRITE_S = 0.05
LIMIT_S = 0.5
WRITE_LIMIT_S = 2.0
JOIN_S = 30.0
FAILED = 4  # Serf's word for a member that its failure detector has given up


@dataclass(frozen=True)
class Raft:
    """What the servers said of themselves in one look: the highest term and configuration that any knows, whom Serf gave up, who leads."""

    at: float
    term: int
    configuration: int
    failed: frozenset[str]
    leader: str = ""


@dataclass
class Eyes:
    """All that is seen. `addresses` are the nodes' fixed ones."""

    addresses: Mapping[str, str]
    lines: dict[str, Line] = field(default_factory=dict)
    health: list[tuple[float, bool]] = field(default_factory=list)
    raft: list[Raft] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def healthy_since(self, since: float) -> float | None:
        """Return when the cluster was healthy to stay, from a moment on, as far as is known now."""
        return settled(list(self.health), since, time.monotonic())

    def until_healthy(self, since: float, limit_s: float) -> float:
        """Wait for that, and return when it was."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            # Only a whole quiet time counts here: what was just seen may be an old judgement.
            found = settled([*self.health, (time.monotonic(), False)], since, float("inf"))
            if found is not None:
                return found
            time.sleep(LOOK_S)
        raise AssertionError(f"the cluster was not healthy within {limit_s:g} s")

    def rows(self, begin: float, end: float) -> list[dict[str, Any]]:
        """Return what became of each node between two moments, in the order in which they went.

        A node's time begins where the one before it was healthy again, so a handover of the leadership before its stop is its own.
        """
        outages = {node: outage for node, line in self.lines.items() if (outage := line.longest(begin, end))}
        order = sorted(outages, key=lambda node: outages[node].began)
        rows, since = [], begin
        for node, following in zip(order, [*(outages[node].began for node in order[1:]), end], strict=True):
            outage = outages[node]
            healthy = None if outage.back is None else settled(self.health, outage.back, following)
            until = healthy or following
            rows.append(self._row(node, outage, healthy) | self._seen(node, since, until) | self._raft(since, until))
            since = until
        return rows

    def _row(self, node: str, outage: Outage, healthy: float | None) -> dict[str, Any]:
        led = outage.leader == self.addresses[node]
        times = {"away_s": outage.back and outage.back - outage.began, "healthy_s": healthy and healthy - outage.began}
        return {"node": node, "role": "leader" if led else "follower", **times}

    def _seen(self, node: str, since: float, until: float) -> dict[str, Any]:
        """Tell what the client saw, and that this node led where it led at the beginning."""
        led = [item.leader for item in self.raft if item.at <= since][-1:] == [self.addresses[node]]
        failed = sum(since <= at < until for at in self.refused)
        return {"write_gap_s": longest_gap(self.acknowledged, since, until), "failed_writes": failed, **({"role": "leader"} if led else {})}

    def _raft(self, since: float, until: float) -> dict[str, int]:
        """Count what Raft and Serf did: elections by the term, changes of the configuration, members that were given up."""
        before = [item for item in self.raft if item.at <= since][-1:]
        seen = before + [item for item in self.raft if since < item.at <= until]
        if not seen:
            return {}
        return {
            "elections": seen[-1].term - seen[0].term,
            "configurations": sum(later.configuration != sooner.configuration for sooner, later in pairwise(seen)),
            "failures": len(frozenset().union(*(item.failed for item in seen))),
        }


@contextmanager
def watching(addresses: Mapping[str, str]) -> Iterator[Eyes]:
    """Watch while the body runs."""
    eyes, over = Eyes(addresses, {node: Line() for node in addresses}), threading.Event()
    works: list[Callable[[], None]] = [lambda node=node: _look(eyes, node, over) for node in addresses]  # type: ignore[misc]
    works += [lambda: _health(eyes, over), lambda: _raft(eyes, over), lambda: _write(eyes, over)]
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield eyes
    finally:
        over.set()
        for thread in threads:
            thread.join(JOIN_S)


class Ear:
    """One connection to one server, made again when it breaks."""

    def __init__(self, address: str, limit_s: float = LIMIT_S) -> None:
        """Connect with the first question."""
        self._address, self._limit_s = address, limit_s
        self._connection: HTTPConnection | None = None

    def ask(self, path: str, content: str | None = None) -> Any:
        """Return what it answers as JSON, whatever the status, or None; `content` is put there."""
        try:
            self._connection = self._connection or HTTPConnection(self._address, PORT, timeout=self._limit_s)
            self._connection.request("GET" if content is None else "PUT", f"/v1/{path}", content)
            with self._connection.getresponse() as answer:
                return json.loads(answer.read())
        except (OSError, HTTPException, ValueError):
            self.close()
            return None

    def close(self) -> None:
        """End the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None


@contextmanager
def _ears(eyes: Eyes, limit_s: float = LIMIT_S) -> Iterator[list[Ear]]:
    """Give one for each server, for one thread."""
    made = [Ear(address, limit_s) for address in eyes.addresses.values()]
    try:
        yield made
    finally:
        for ear in made:
            ear.close()


def _look(eyes: Eyes, node: str, over: threading.Event) -> None:
    with closing(Ear(eyes.addresses[node])) as ear:
        while not over.wait(LOOK_S):
            said = ear.ask("status/leader")
            leader = str(said).partition(":")[0] if said else ""
            eyes.lines[node].feed(time.monotonic(), DOWN if said is None else LEADS if leader else UP, leader)


def _health(eyes: Eyes, over: threading.Event) -> None:
    """Healthy is: Consul's autopilot says so of all its servers, and these are as many voters as there are nodes."""
    with _ears(eyes) as ears:
        while not over.wait(RAFT_LOOK_S / 2):
            said = next((answer for ear in ears if (answer := ear.ask("operator/autopilot/health")) is not None), None) or {}
            servers = said.get("Servers") or []
            voters = [server for server in servers if server["Voter"] and server["Healthy"]]
            healthy = bool(said.get("Healthy")) and len(voters) == len(servers) == len(eyes.addresses)
            if not eyes.health or eyes.health[-1][1] != healthy:
                eyes.health.append((time.monotonic(), healthy))


def _raft(eyes: Eyes, over: threading.Event) -> None:
    with _ears(eyes) as ears:
        while not over.wait(RAFT_LOOK_S):
            now = _hear(ears)
            if now.term and (not eyes.raft or replace(now, at=0.0) != replace(eyes.raft[-1], at=0.0)):
                eyes.raft.append(now)


def _hear(ears: list[Ear]) -> Raft:
    terms, configurations, failed, leader = [0], [0], set[str](), ""
    for ear in ears:
        raft = ((ear.ask("agent/self") or {}).get("Stats") or {}).get("raft")
        if raft:
            terms.append(int(raft["term"]))
            configurations.append(int(raft["latest_configuration_index"]))
            leader = str(ear.ask("status/leader") or leader).partition(":")[0]
            failed |= {row["Name"] for row in ear.ask("agent/members") or () if row["Status"] == FAILED}
    return Raft(time.monotonic(), max(terms), max(configurations), frozenset(failed), leader)


def _write(eyes: Eyes, over: threading.Event) -> None:
    """Write one key after the other; each goes to one server after the other until one takes it, the last good one first."""
    number = 0
    with _ears(eyes, WRITE_LIMIT_S) as ears:
        while not over.wait(WRITE_S):
            number += 1
            taker = next((ear for ear in ears if ear.ask(f"kv/benchmark/{number:08d}", str(number)) is True), None)
            (eyes.acknowledged if taker else eyes.refused).append(time.monotonic())
            if taker:
                ears.remove(taker)
                ears.insert(0, taker)
