"""What real servers said (etcd 3.4.23, three on loopback addresses), as `tests/data/etcd` holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters import etcd_answers
from immtf.adapters.etcd_view import Said, Sight, assemble
from immtf.model.names import NodeId

if TYPE_CHECKING:
    from immtf.model.service import ServiceView

DATA = Path(__file__).parents[2] / "data" / "etcd"
ADDRESSES = {NodeId("server", key): f"127.78.9.1{number}" for number, key in enumerate("abc", 1)}
A, B, C = ADDRESSES
LEARNER = "127.78.9.14"
STATUS, LIST, ALARM = "maintenance/status", "cluster/member/list", "maintenance/alarm"


def recorded(name: str) -> dict[str, Any]:
    """Return a recording: by address what was answered to each call."""
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    found.pop("note")
    return found


def connections_of(answers: dict[str, Any]) -> etcd_answers.Connections:
    """Read a server's recorded metrics."""
    return etcd_answers.connections("\n".join(answers["metrics"]["lines"]), answers["metrics"]["date"])


def said_by(answers: dict[str, Any]) -> Said:
    """Read what a server said of itself."""
    status = etcd_answers.status(answers[STATUS])
    return Said(status, () if status.learner else etcd_answers.members(answers[LIST]))


def view_of(record: dict[str, Any], addresses: dict[NodeId, str] | None = None) -> ServiceView:
    """Put a recording together, as the service does; who isn't in it can't be connected to."""
    places = ADDRESSES if addresses is None else addresses
    said = {node: said_by(record[address]) if address in record else "can't be connected to" for node, address in places.items()}

    def ask(chiefs: list[str]) -> Sight | str:
        first = record[chiefs[0]]
        return Sight(etcd_answers.alarms(first[ALARM]), connections_of(first)) if ALARM in first else "; not told"

    return assemble(places, said, ask)
