"""What is going on at this moment, folded from the events so far: the state behind the live region. Pure; draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.entries import entry, spoken
from immtf.report.wording import duration, plain

if TYPE_CHECKING:
    from datetime import datetime

    from immtf.model.events import Event, GateAsked, ProbeReported, TerraformTold

State: TypeAlias = Literal["waiting", "working", "done", "skipped", "halted"]


@dataclass(slots=True)
class NodeProgress:
    """One node as it stands; `""` is the block itself. `resources` are Terraform's own waits, by address, with their beginning."""

    node: str
    planned: bool = False
    state: State = "waiting"
    about: str = ""
    step: str = ""
    reason: str = ""
    since: datetime | None = None
    seconds: float | None = None
    gates: dict[str, GateAsked] = field(default_factory=dict)
    resources: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether something goes on here."""
        return bool(self.step or self.gates or self.resources)

    def rest(self) -> None:
        """Forget the step in progress."""
        self.step = self.reason = ""
        self.since = None
        self.gates.clear()
        self.resources.clear()


@dataclass(slots=True)
class Progress:
    """A run as it stands; `stage`, `purpose` (of the stage) and `position` are ready to be shown."""

    title: str = ""
    block: str = "run"
    stage: str = ""
    purpose: str = ""
    since: datetime | None = None
    position: str = ""
    began: datetime | None = None
    nodes: dict[str, NodeProgress] = field(default_factory=dict)
    probe: ProbeReported | None = None

    @property
    def busy(self) -> bool:
        """Whether a stage, a node or a step is in progress. What Terraform says outside of them is no work of ours."""
        return bool(self.stage) or any(node.state == "working" or node.step for node in self.nodes.values())

    def take(self, event: Event, at: datetime) -> None:
        """Fold one event in."""
        self.began = self.began or at
        if isinstance(event, b.BlocksPlanned):
            for row in event.rows:
                self.node(row.block).planned = True
        elif isinstance(event, b.BlockStarted | b.BlockEnded):
            self._take_block(event, at)
        elif isinstance(event, e.NodeStarted | e.NodeFinished | e.NodeSkipped):
            self._take_node(event, at)
        elif isinstance(event, e.StepStarted | e.StepWaited | e.StepFinished | e.StepSkipped | e.GateAsked | e.TerraformTold):
            self._take_step(event, at)
        elif isinstance(event, e.RunFinished):
            self._end()
        else:
            self._take_run(event, at)

    def node(self, name: str) -> NodeProgress:
        """Return a node's progress, which begins with the first word of it."""
        name = plain(name)
        return self.nodes.setdefault(name, NodeProgress(name))

    def _end(self) -> None:
        """Nothing is in progress any more; a halted run leaves its stage and its step open."""
        self.stage = ""
        for node in self.nodes.values():
            node.rest()
            node.state = "halted" if node.state == "working" else node.state

    def _take_run(self, event: Event, at: datetime) -> None:
        match event:
            case e.RunStarted():
                self.title = plain(f"{event.command} {event.block} {event.version}")
                self.block = plain(event.block) or "run"
            case e.PlanMade():
                for row in event.rows:
                    node = self.node(row.node)
                    node.planned, node.about = True, plain(f"{row.action}: {row.why}")
            case e.StageStarted():
                self.stage, self.purpose, self.since, self.position = plain(event.stage), plain(event.what), at, ""
            case e.StageFinished():
                self.stage = self.purpose = self.position = ""
                self.node("").rest()
            case e.ProbeReported():
                self.probe = event
            case e.RunHalted(where=where) if plain(where) in self.nodes:
                self.node(where).state = "halted"
            case _:
                return

    def _take_block(self, event: b.BlockStarted | b.BlockEnded, at: datetime) -> None:
        block = self.node(event.block)
        block.rest()
        block.planned = True
        if isinstance(event, b.BlockStarted):
            block.state, block.since, block.about = "working", at, plain(event.version)
            self.position = f"block {event.index} of {event.total}"
            return
        sort = entry(event).sort
        block.state = "done" if sort == "done" else "skipped" if sort == "skip" else "halted"
        block.seconds, block.about = event.seconds, plain(event.problem)
        for name in [name for name in self.nodes if name.startswith(f"{block.node} ")]:
            del self.nodes[name]

    def _take_node(self, event: e.NodeStarted | e.NodeFinished | e.NodeSkipped, at: datetime) -> None:
        node = self.node(event.node)
        node.rest()
        node.planned = True
        match event:
            case e.NodeStarted():
                node.state, node.about, node.since = "working", plain(f"{event.action}: {event.why}"), at
                self.position = f"node {event.index} of {event.total}"
            case e.NodeFinished():
                node.state, node.seconds = "done", event.seconds
                node.about = entry(event).words
            case e.NodeSkipped():
                node.state, node.about = "skipped", plain(event.reason)
            case _:
                assert_never(event)

    def _take_step(
        self, event: e.StepStarted | e.StepWaited | e.StepFinished | e.StepSkipped | e.GateAsked | TerraformTold, at: datetime
    ) -> None:
        node = self.node(event.node)
        match event:
            case e.StepStarted():
                node.rest()
                node.step, node.reason, node.since = spoken(plain(event.step)), plain(event.what), at
            case e.StepWaited():
                node.step = spoken(plain(event.step))
                node.reason = plain(f"{event.reason}, at most {duration(event.limit_s)}")
                node.since = node.since or at - timedelta(seconds=event.elapsed_s)
            case e.StepFinished() | e.StepSkipped():
                node.rest()
            case e.GateAsked():
                node.gates[event.gate] = event
            case e.TerraformTold():
                _take_terraform(node, event, at)
            case _:
                assert_never(event)


def _take_terraform(node: NodeProgress, event: TerraformTold, at: datetime) -> None:
    match event.kind:
        case "apply_start" | "apply_progress":
            node.resources[event.address] = (event.action, at - timedelta(seconds=event.elapsed_s))
        case "waiting":
            node.reason = plain(event.message)
        case "apply_complete" | "apply_errored":
            node.resources.pop(event.address, None)
        case _:
            return
