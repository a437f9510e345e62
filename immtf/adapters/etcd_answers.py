"""etcd's answers read strictly: 64-bit numbers are texts of digits, what is zero or false is left out, and anything else is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_LEADER = "etcdserver: no leader"
_ALARM = re.compile(r"memberID:(\d+) alarm:(\w+)\s*")
_ACTIVE = re.compile(r'^etcd_network_active_peers\{Local="[0-9a-f]+",Remote="([0-9a-f]+)"\} (\d+)(?:\.0+)?$', re.MULTILINE)
_STARTED = re.compile(r"^process_start_time_seconds ([0-9.e+]+)$", re.MULTILINE)
SETTLED_S = 10.0  # etcd itself takes a peer for connected after 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Status:
    """What one server says of itself. `leader` is "" where it knows none, `applied` None where it does not tell.

    `alarms` are those that it knows of, as member and kind; `errors` whatever else it complains of.
    """

    cluster: str
    member: str
    leader: str
    term: int
    committed: int
    applied: int | None
    learner: bool = False
    alarms: frozenset[tuple[str, str]] = frozenset()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One row of the membership: its id, the hosts of its peer URLs, and whether it votes (a learner does not)."""

    identity: str
    hosts: tuple[str, ...]
    voter: bool

    @property
    def is_named(self) -> bool:
        """Return whether it is told by a name, from which nothing follows about where it is."""
        return not any(_is_address(host) for host in self.hosts)


def status(answer: dict[str, Any]) -> Status:
    """Read an answer of `maintenance/status`. Raises `TypeError` where it is none."""
    header = _field(answer, "header", dict)
    complaints = [text for text in _rows(answer, "errors", str) if text.strip() and text != NO_LEADER]
    found = [(text, _ALARM.fullmatch(text)) for text in complaints]
    return Status(
        cluster=identity(header, "cluster_id"),
        member=identity(header, "member_id"),
        leader=identity(answer, "leader") if _number(answer, "leader") else "",
        term=_number(answer, "raftTerm") or 0,
        committed=_wanted(answer, "raftIndex"),
        applied=_number(answer, "raftAppliedIndex"),
        learner=_flag(answer, "isLearner"),
        alarms=frozenset((match[1], match[2]) for _, match in found if match),
        errors=tuple(text for text, match in found if not match),
    )


def members(answer: dict[str, Any]) -> tuple[Member, ...]:
    """Read an answer of `cluster/member/list`. Raises `TypeError` where it is none, or lists nobody."""
    rows = _rows(answer, "members", dict)
    if not rows:
        raise TypeError("no members")
    return tuple(_member(row) for row in rows)


def alarms(answer: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Read an answer of `maintenance/alarm`: member and kind of each."""
    return frozenset((identity(row, "memberID"), _field(row, "alarm", str)) for row in _rows(answer, "alarms", dict))


@dataclass(frozen=True, slots=True)
class Connections:
    """Which other members a server has a live connection to, by id. Whom it never had one to is not in `live`.

    `settled`: it has run long enough, and is connected to somebody, so that it would be connected to everybody who runs.
    """

    live: Mapping[str, bool] = field(default_factory=dict)
    settled: bool = False

    def is_cut_off(self, identity: str) -> bool:
        """Return whether there certainly is no connection to this member."""
        return not self.live.get(identity, not self.settled)


def connections(metrics: str, date: str) -> Connections:
    """Read a server's metrics, as they were at `date`, its own time as HTTP writes it. What can't be read is unknown."""
    live = {str(int(remote, 16)): int(count) > 0 for remote, count in _ACTIVE.findall(metrics)}
    started = _STARTED.search(metrics)
    try:
        age_s = parsedate_to_datetime(date).timestamp() - float(started[1]) if started else 0.0
    except ValueError:
        age_s = 0.0
    return Connections(live, settled=age_s >= SETTLED_S and any(live.values()))


def identity(row: dict[str, Any], key: str) -> str:
    """Return an id, which is never zero. Raises `TypeError` where there is none."""
    return str(_wanted(row, key))


def _member(row: dict[str, Any]) -> Member:
    urls = _rows(row, "peerURLs", str)
    hosts = tuple(host for url in urls if (host := urlsplit(url).hostname))
    if not hosts:
        raise TypeError("no peerURLs")
    return Member(identity(row, "ID"), hosts, voter=not _flag(row, "isLearner"))


def _wanted(row: dict[str, Any], key: str) -> int:
    number = _number(row, key)
    if not number:
        raise TypeError(f"no {key}")
    return number


def _number(row: dict[str, Any], key: str) -> int | None:
    if key not in row:
        return None
    text = _field(row, key, str)
    if not re.fullmatch("[0-9]{1,20}", text):
        raise TypeError(f"{key} is no number")
    return int(text)


def _flag(row: dict[str, Any], key: str) -> bool:
    return key in row and _field(row, key, bool)


def _rows(row: dict[str, Any], key: str, kind: type[T]) -> list[T]:
    """Return a list of one type; none where it is left out."""
    rows = _field(row, key, list) if key in row else []
    if any(type(item) is not kind for item in rows):
        raise TypeError(f"{key} does not hold {kind.__name__} only")
    return rows


def _field(row: dict[str, Any], key: str, kind: type[T]) -> T:
    if key not in row:
        raise TypeError(f"no {key}")
    value = row[key]
    if type(value) is not kind:
        raise TypeError(f"{key} is {type(value).__name__}, wanted {kind.__name__}")
    found: T = value
    return found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
