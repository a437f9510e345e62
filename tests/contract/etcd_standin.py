"""A stand-in for etcd's JSON gateway: small real servers, one on each loopback address, at least as strict as etcd 3.4.

What is not scripted is answered as a real cluster would: zeros are left out, ids are texts, only the leader transfers, nobody without a
majority commits, a learner refuses, a removal that would lose the quorum is refused. `tests/data/etcd` holds what real servers said.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.contract.consul_standin import Script, Standin, served

if TYPE_CHECKING:
    from collections.abc import Iterator

STATUS, LIST, REMOVE = "/v3/maintenance/status", "/v3/cluster/member/list", "/v3/cluster/member/remove"
ALARM, TRANSFER = "/v3/maintenance/alarm", "/v3/maintenance/transfer-leadership"
PUT, RANGE, METRICS = "/v3/kv/put", "/v3/kv/range", "/metrics"
CLUSTER = 16463915317478173694
NOT_FOUND = Script("404 page not found\n", 404)


def member_id(address: str) -> int:
    """Return a member's id: too large for a number of JSON, as real ones are."""
    return (1 << 63) + int.from_bytes(address.encode()[-7:], "big")


def refusal(status: int, message: str, code: int) -> Script:
    """Return an error as the gateway words it."""
    return Script({"error": message, "message": message, "code": code}, status)


@dataclass
class EtcdStandin(Standin):
    """The servers. `stale` are addresses of voters that nobody runs, `learners` of members that don't vote; `alarms` are by address.

    Other servers still have a connection to those in `lingering`; they have run for `age_s` seconds.
    """

    term: int = 2
    committed: int = 1_000
    learners: set[str] = field(default_factory=set)
    alarms: dict[str, str] = field(default_factory=dict)
    clusters: dict[str, int] = field(default_factory=dict)
    lingering: set[str] = field(default_factory=set)
    age_s: float = 600.0

    def answer(self, address: str, method: str, path: str, query: str, body: bytes) -> Script:  # noqa: ARG002 - only Consul has any
        """Return what a server says."""
        if script := self.scripts.get((address, path)):
            return script
        if (method, path) == ("GET", METRICS):
            return Script(self._metrics(address))
        calls = {STATUS: self._status, LIST: self._list, REMOVE: self._remove, ALARM: self._alarm, TRANSFER: self._transfer}
        if path in {PUT, RANGE}:
            return self._keys(path, json.loads(body))
        if path not in calls:
            return NOT_FOUND
        if method != "POST":
            return refusal(501, "Method Not Allowed", 12)
        return calls[path](address, json.loads(body))

    def down(self, address: str) -> None:
        """End one server; where it led, or a majority is gone, another one leads, or nobody."""
        super().down(address)
        if self.leader == address or not self._quorate():
            self.leader = next((item for item in sorted(self.servers) if item not in self.learners), "") if self._quorate() else ""
            self.term += 1

    @property
    def voters(self) -> list[str]:
        """Return the addresses of all members that vote."""
        return [item for item in [*self.addresses, *self.stale] if item not in self.learners]

    def _quorate(self) -> bool:
        return 2 * sum(item in self.servers for item in self.voters) > len(self.voters)

    def _header(self, address: str) -> dict[str, str]:
        cluster = self.clusters.get(address, CLUSTER)
        return {"cluster_id": str(cluster), "member_id": str(member_id(address)), "revision": "7", "raft_term": str(self.term)}

    def _status(self, address: str, _body: dict[str, Any]) -> Script:
        applied = self.committed - self.lag.get(address, 0)
        said: dict[str, Any] = {"header": self._header(address), "version": "3.4.23", "dbSize": "20480", "raftTerm": str(self.term)}
        said |= {"raftIndex": str(applied), "raftAppliedIndex": str(applied)}
        errors = [] if self.leader else ["etcdserver: no leader"]
        errors += [f"memberID:{member_id(item)} alarm:{kind} " for item, kind in self.alarms.items()]
        said |= {"leader": str(member_id(self.leader))} if self.leader else {}
        said |= {"errors": errors} if errors else {}
        return Script(said | ({"isLearner": True} if address in self.learners else {}))

    def _list(self, address: str, _body: dict[str, Any]) -> Script:
        if address in self.learners:
            return refusal(503, "etcdserver: rpc not supported for learner", 14)
        return Script({"header": self._header(address), "members": [self._row(item) for item in [*self.addresses, *self.stale]]})

    def _row(self, item: str) -> dict[str, Any]:
        row: dict[str, Any] = {"ID": str(member_id(item)), "peerURLs": [f"http://{item}:2380"]}
        if item not in self.stale:
            row |= {"name": item, "clientURLs": [f"http://{item}:2379"]}
        return row | ({"isLearner": True} if item in self.learners else {})

    def _alarm(self, address: str, body: dict[str, Any]) -> Script:
        assert body == {"action": "GET"}, "nothing here raises or clears an alarm"
        if address in self.learners:
            return refusal(503, "etcdserver: rpc not supported for learner", 14)
        if not self.leader:
            return refusal(500, "context deadline exceeded", 2)
        self.committed += 1
        rows = [{"memberID": str(member_id(item)), "alarm": kind} for item, kind in self.alarms.items()]
        return Script({"alarms": rows} if rows else {})

    def _transfer(self, address: str, body: dict[str, Any]) -> Script:
        if address != self.leader:
            return refusal(412, "etcdserver: not leader", 9)
        target = next((item for item in self.voters if str(member_id(item)) == body["targetID"] and item in self.servers), "")
        if not target:
            return refusal(412, "etcdserver: bad leader transferee", 9)
        self.leader, self.term = target, self.term + 1
        return Script({})

    def _remove(self, _address: str, body: dict[str, Any]) -> Script:
        gone = next((item for item in [*self.addresses, *self.stale] if str(member_id(item)) == body["ID"]), "")
        left = [item for item in self.voters if item != gone]
        if not gone:
            return refusal(404, "etcdserver: member not found", 5)
        if 2 * sum(item in self.servers for item in left) <= len(left):
            return refusal(503, "etcdserver: unhealthy cluster", 14)
        for names in (self.stale, self.addresses):
            if gone in names:
                names.remove(gone)
        return self._list(self.leader, {})

    def _keys(self, path: str, body: dict[str, Any]) -> Script:
        if not self.leader:
            return refusal(500, "context deadline exceeded", 2)
        if path == PUT and self.alarms:
            return refusal(429, "etcdserver: mvcc: database space exceeded", 8)
        header = {"header": self._header(self.leader)}
        if path == PUT:
            self.store |= {} if self.forgetful else {_plain(body["key"]): _plain(body["value"])}
            return Script(header)
        first, last = _plain(body["key"]), _plain(body.get("range_end", ""))
        found = {key: value for key, value in self.store.items() if key == first or (last and first <= key < last)}
        rows = [{"key": _coded(key), "version": "1", **({"value": _coded(value)} if value else {})} for key, value in found.items()]
        return Script(header | ({"kvs": rows, "count": str(len(rows))} if rows else {}))

    def _metrics(self, address: str) -> str:
        lines = ["# TYPE etcd_network_active_peers gauge", f"process_start_time_seconds {time.time() - self.age_s:.10e}"]
        for item in [*self.addresses, *self.stale]:
            live = int(item in self.servers or item in self.lingering)
            pair = f'Local="{member_id(address):x}",Remote="{member_id(item):x}"'
            lines += [f"etcd_network_active_peers{{{pair}}} {live}"] if item not in {address, *self.stale} else []
        return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def etcd_standin(*addresses: str, port: int = 0) -> Iterator[EtcdStandin]:
    """Serve on one port of all these addresses (0 is any); the first one leads."""
    with served(EtcdStandin(list(addresses), port, leader=addresses[0])) as made:
        yield made
