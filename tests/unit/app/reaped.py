"""A cloud, and environments in it that a reap finds, holds and removes: each as strict as the real one about who has it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import Aws
from immtf.adapters.clock import Signals
from immtf.app.imaging.session import ImageSession, run_to_end
from immtf.app.reaping import Order, Reaper, reap_with
from immtf.app.target import Target
from immtf.app.telling import Teller
from immtf.errors import (
    ExitCode,
    LeaseHeld,
    LeaseLost,
    TerraformFailed,
)
from immtf.model.environment import Backend
from immtf.model.events import Noted
from immtf.model.reaping import Left, StoredState
from immtf.model.terraform import Change, PlanData
from immtf.plan.reaping import new_record
from immtf.run.gates import Patience
from tests.fakes.network import NetworkWorld, whole_network
from tests.fakes.session import AWS
from tests.fakes.terraform import FakePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.model.events import Event

NAME, OTHER = "t-0123abcd", "t-11111111"


@dataclass
class Desk(ImageSession):
    """A session on a fake cloud; `told` is what was told."""

    told: list[Event] = field(default_factory=list)
    cloud: NetworkWorld = field(default_factory=NetworkWorld)

    def __post_init__(self) -> None:
        self.tell = Teller((lambda event, _at: self.told.append(event),), self._asked_to_end)
        self.clock = self.cloud.clock  # type: ignore[assignment]  # a clock is a clock
        self.aws = Aws.from_environment(AWS)
        self.started = 0.0
        self.patience = Patience(self.cloud.clock, self.signals, self.tell)

    def notes(self) -> list[str]:
        return [event.message for event in self.told if isinstance(event, Noted)]


@dataclass
class Stored:
    """The states of an environment by block: the ids of what is in each, in the cloud too. `forgotten` tells that all of it was removed."""

    desk: Desk
    name: str
    life_s: float = -1.0
    running: str = ""
    lost: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False
    order: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)

    def add(self, block: str, ids: list[str], *requires: str) -> None:
        told = {"name": block, "requires": dict.fromkeys(requires, "~> 1.0")}
        self.texts[block] = json.dumps({"resources": [{"ids": ids}] if ids else [], "outputs": {"block": {"value": told}}})

    def left(self, kind: str = "test", **differs: Any) -> Left:
        record = replace(new_record(self.name, ("/b/consul",), at=self.desk.cloud.start, life=self.life_s), kind=kind)
        return replace(Left(self.name, f"/e/{self.name}", record, self.states, lambda: self.running, self.hold, self.forget), **differs)

    @contextmanager
    def hold(self) -> Iterator[Callable[[], None]]:
        """Be held, by one at a time, and by nobody where somebody is at work."""
        if self.running:
            raise LeaseHeld(self.running)
        assert not self.held, "nobody takes it twice"
        self.holds.append("taken")
        try:
            yield self.confirm
        finally:
            self.holds.append("given back")

    @property
    def held(self) -> bool:
        """Return whether the reap has it in hand just now."""
        return self.holds[-1:] == ["taken"]

    def confirm(self) -> None:
        assert self.held
        if self.lost:
            raise LeaseLost(self.lost)

    def states(self) -> tuple[StoredState, ...]:
        return tuple(
            StoredState(block, Backend("local", {"path": f"/e/{self.name}/{block}"}), text) for block, text in sorted(self.texts.items())
        )

    def forget(self) -> None:
        assert self.held
        self.forgotten = True

    def terraform(self, state: StoredState, document: Mapping[str, Any], directory: Path) -> FakeBare:
        assert directory.is_dir()
        return FakeBare(self, state.block, [identity for row in document["resources"] for identity in row["ids"]])


@dataclass
class FakeBare:
    """Satisfies what a reap asks of Terraform: a destroy of one state, which fails where the cloud refuses it."""

    stored: Stored
    block: str
    ids: list[str]

    def plan(self, *, destroy: bool) -> FakePlan:
        assert destroy
        rows = tuple(Change(identity, "", "aws_vpc", identity, None, "managed", ("delete",)) for identity in self.ids)
        return FakePlan(PlanData(rows, (), errored=False), 1, destroy=True)

    def apply(self, saved: FakePlan) -> None:
        assert self.stored.held
        things = self.stored.desk.cloud.things
        self.stored.order.append(self.block)
        for row in saved.data.changes:
            if row.address in things and any(row.address in other.needs for other in things.values()):
                raise TerraformFailed(f"{row.address}: DependencyViolation")
            things.pop(row.address, None)
        self.stored.texts[self.block] = json.dumps({"resources": [], "outputs": {}})


def make_desk() -> Desk:
    target = Target(cloud="lab", environment="default", is_test=True, home=Path("/nowhere"), process=AWS)
    return Desk("environments", "", target, "r1", Signals(), (), "--lab")


def tags(desk: Desk, name: str = NAME, life_s: float = -1.0) -> dict[str, str]:
    record = new_record(name, (), at=desk.cloud.start, life=life_s)
    return {"immtf:class": "test", "immtf:environment": name, "immtf:expires": record.expires}


def made(desk: Desk) -> Stored:
    """Return an environment of a base and a consumer on it, with an instance and a volume that no state knows of."""
    stored = Stored(desk, NAME)
    things = desk.cloud
    whole_network(things, "x", tags(desk))
    stored.add("base", ["subnet-x", "rtb-x", "igw-x", "vpc-x"])
    stored.add("consul", ["eni-x", "sg-x"], "base")
    return stored


def run(desk: Desk, *stored: Stored, dry_run: bool = False, asked: list[str] | None = None) -> ExitCode:
    order = Order([lambda: [item.left() for item in stored]], dry_run=dry_run)
    ports = Reaper(desk.cloud, stored[0].terraform if stored else Stored(desk, NAME).terraform)  # type: ignore[arg-type]  # all it asks of Terraform
    return run_to_end(desk, "reap", lambda: reap_with(desk, order, ports, (asked if asked is not None else []).append))
