"""A run as cases of a JUnit file, folded from its events: the run itself, its stages, nodes and gates, and what was let pass.

The run itself is always a case, so that a run which ends before its first stage, or is killed, is never an empty and so a green file.
A halt makes the run fail, the node or else the stage that was at work, and each gate that did not hold; what the halt kept from being
begun or finished is skipped with that reason. So a reader that shows only failures shows the cause and the next command.
A run over many blocks has a suite of its own, and one for each block.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from immtf.errors import ExitCode
from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.entries import entry, spoken
from immtf.report.junit import Case, Suite, document
from immtf.report.lists import summary_cells
from immtf.report.wording import duration, plain

if TYPE_CHECKING:
    from datetime import datetime

    from immtf.errors import ImmtfError
    from immtf.model.events import Event

_NEVER_ENDED: Final = e.RunHalted("the run did not come to its end: it was killed, or goes on yet", "", "", "run the same command again", 1)
_ERRORS: Final = frozenset(
    {ExitCode.ERROR, ExitCode.USAGE, ExitCode.PAUSED, ExitCode.INTERRUPTED, ExitCode.LEASE_HELD, ExitCode.LEASE_LOST}
)
_NONE: Final = e.RunFinished("unfinished", 0, 0, None, None, None)


@dataclass(slots=True)
class _Gate:
    """What a gate answered last, and the time (seconds) that was waited for it in earlier waits."""

    last: e.GateAsked
    earlier_s: float = 0.0

    @property
    def seconds(self) -> float:
        return self.earlier_s + self.last.elapsed_s


@dataclass(slots=True)
class Cases:
    """The cases of one run. `run` is its id, `command` and `block` what is known before its first event.

    `more` are cases that no event tells: what a test suite on a node answered, one by one.
    """

    run: str
    command: str
    block: str
    immtf: str = ""
    began: datetime | None = None
    latest: datetime | None = None
    properties: dict[str, str] = field(default_factory=dict)
    halt: e.RunHalted | None = None
    end: e.RunFinished | None = None
    stages: list[Case] = field(default_factory=list)
    open_stages: list[tuple[str, datetime]] = field(default_factory=list)
    nodes: list[Case] = field(default_factory=list)
    at_work: dict[str, datetime] = field(default_factory=dict)
    planned: dict[str, str] = field(default_factory=dict)
    steps: dict[str, list[str]] = field(default_factory=dict)
    gates: dict[tuple[str, str], _Gate] = field(default_factory=dict)
    passed_over: list[Case] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    more: list[Case] = field(default_factory=list)
    blocks: dict[str, Cases] = field(default_factory=dict)
    skipped: str = ""

    def take(self, event: Event, at: datetime) -> None:
        """Fold one event in; `at` is when it happened."""
        self.began, self.latest = self.began or at, at
        match event:
            case e.RunStarted():
                self.block, self.command = event.block, event.command
                self.properties = {"version": event.version, "environment": event.environment, "cloud": event.cloud, "who": event.who}
            case e.PlanMade():
                self._take_plan(event)
            case e.StageStarted():
                self.open_stages.append((event.stage, at))
            case e.StageFinished():
                self._stage_ended(event)
            case e.NodeStarted() | e.NodeFinished() | e.NodeSkipped():
                self._take_node(event, at)
            case e.StepFinished() | e.StepSkipped() if event.node:
                self.steps.setdefault(event.node, []).append(_line(event))
            case e.GateAsked():
                self._take_gate(event)
            case _:
                self._take_word(event, at)

    def refuse(self, error: ImmtfError) -> None:
        """Take what kept the run from its first event, or stopped it past its last one."""
        self.halt = self.halt or e.RunHalted(error.what, error.where, "nothing was touched", error.next, int(error.exit_code))

    def document(self) -> str:
        """Return the JUnit file's text, as far as the run has come."""
        return document(self.suite(), *(cases.suite() for cases in self.blocks.values()))

    def suite(self) -> Suite:
        """Return the run's own cases; those of its blocks are in suites of their own."""
        end = self.end or _NONE
        seconds = end.duration_s or _between(self.began, self.latest)
        known = {"run": self.run, "command": self.command, "block": self.block, **self.properties, "immtf": self.immtf}
        known |= {name.strip(): value for name, value in summary_cells(end)} if self.end else {}
        return Suite(f"immtf {self.command} {self.block}".strip(), self._cases(), known, self.began, seconds)

    def _cases(self) -> list[Case]:
        halt = self._halt()
        return [
            self._of_run(halt),
            *self.stages,
            *self._open_stages(halt),
            *self.nodes,
            *self._open_nodes(halt),
            *self._not_reached(halt),
            *(_of_gate(self._group("gates"), gate, halt) for gate in self.gates.values()),
            *self.passed_over,
            *self.more,
        ]

    def _halt(self) -> e.RunHalted | None:
        """Return what the run halted of; a run without a last event never ended."""
        if self.halt is not None or (self.end is not None and self.end.exit_code == 0):
            return self.halt
        if self.end is None:
            return _NEVER_ENDED
        lost = f", {self.end.writes_lost} acknowledged writes were lost" if self.end.writes_lost else ""
        return e.RunHalted(f"ended with {self.end.exit_code} ({spoken(self.end.outcome)}){lost}", "", "", "", self.end.exit_code)

    def _of_run(self, halt: e.RunHalted | None) -> Case:
        seconds = self.end.duration_s if self.end else _between(self.began, self.latest)
        summary = [f"{name.strip()}: {value}" for name, value in summary_cells(self.end)] if self.end else []
        case = Case(self._group("run"), self.command, seconds, output=(*self.told, *summary))
        if self.skipped:
            return replace(case, result="skipped", reason=self.skipped)
        return _failed(case, halt) if halt else case

    def _open_stages(self, halt: e.RunHalted | None) -> list[Case]:
        """Return the stages that did not end well; the innermost one failed, unless it was a node that did."""
        cases = [Case(self._group("stages"), name, _between(since, self.latest)) for name, since in self.open_stages]
        if not cases or halt is None:
            return cases
        skipped = [replace(case, result="skipped", reason=f"not finished: {plain(halt.what)}") for case in cases]
        return skipped if self.at_work else [*skipped[:-1], _failed(cases[-1], halt)]

    def _open_nodes(self, halt: e.RunHalted | None) -> list[Case]:
        cases = [self._node(node, _between(since, self.latest)) for node, since in self.at_work.items()]
        return [_failed(case, halt) for case in cases] if halt else cases

    def _not_reached(self, halt: e.RunHalted | None) -> list[Case]:
        seen = {*self.at_work, *(case.name for case in self.nodes)}
        if halt is None:
            return []
        left = (node for node in self.planned if node not in seen)
        return [Case(self._group("nodes"), node, result="skipped", reason=f"not reached ({self.planned[node]})") for node in left]

    def _take_block(self, event: b.BlocksPlanned | b.BlockTold | b.BlockEnded, at: datetime) -> None:
        """Fold in what is about one block of many. One that never told its end has failed, or was skipped, for the reason of its end."""
        if isinstance(event, b.BlocksPlanned):
            self.blocks = {row.block: Cases(self.run, self.command, row.block, self.immtf) for row in event.rows}
            return
        cases = self.blocks.setdefault(event.block, Cases(self.run, self.command, event.block, self.immtf))
        if isinstance(event, b.BlockTold):
            cases.take(event.told, at)
        elif event.ending == "skipped":
            cases.skipped = plain(event.problem)
        elif event.exit_code not in {0, ExitCode.CHANGES_PENDING}:
            cases.halt = cases.halt or e.RunHalted(event.problem, "", "", event.next, event.exit_code)

    def _take_plan(self, event: e.PlanMade) -> None:
        changing = [row for row in event.rows if row.action not in {"none", "skip"}]
        self.planned = {row.node: f"{row.action}: {row.now} to {row.target}" for row in changing}
        known = {"image before": ", ".join(sorted({row.now for row in changing})), "image": event.image}
        self.properties |= {name: value for name, value in known.items() if value}

    def _stage_ended(self, event: e.StageFinished) -> None:
        self.stages.append(Case(self._group("stages"), event.stage, event.seconds))
        for place in range(len(self.open_stages) - 1, -1, -1):  # the innermost of this name
            if self.open_stages[place][0] == event.stage:
                del self.open_stages[place]
                return

    def _take_node(self, event: e.NodeStarted | e.NodeFinished | e.NodeSkipped, at: datetime) -> None:
        if isinstance(event, e.NodeStarted):
            self.at_work[event.node] = at
            self.steps[event.node] = []
            return
        began = self.at_work.pop(event.node, at)
        if isinstance(event, e.NodeFinished):
            case = self._node(event.node, event.seconds)
            self.nodes.append(
                replace(case, output=[*case.output, f"away for {duration(event.away_s)}, now {event.instance or 'no instance'}"])
            )
        else:
            self.nodes.append(replace(self._node(event.node, _between(began, at)), result="skipped", reason=plain(event.reason)))

    def _node(self, node: str, seconds: float) -> Case:
        return Case(self._group("nodes"), node, seconds, output=tuple(self.steps.get(node, ())))

    def _take_gate(self, event: e.GateAsked) -> None:
        before = self.gates.get((event.node, event.gate))
        earlier = 0.0 if before is None else before.earlier_s if event.elapsed_s >= before.last.elapsed_s else before.seconds
        self.gates[event.node, event.gate] = _Gate(event, earlier)

    def _take_word(self, event: Event, at: datetime) -> None:
        match event:
            case b.BlocksPlanned() | b.BlockTold() | b.BlockEnded():
                self._take_block(event, at)
            case e.CheckOverridden():
                name = f"{event.check} at {event.node}" if event.node else event.check
                reason = f"let pass by --allow: {plain(event.reason)}"
                self.passed_over.append(Case(self._group("checks"), name, result="skipped", reason=reason, output=(plain(event.what),)))
            case e.Noted():
                self.told.append(f"{event.level}: {plain(event.message)}")
            case e.RunHalted():
                self.halt = event
            case e.RunFinished():
                self.end = event
            case _:
                return

    def _group(self, kind: str) -> str:
        return f"{'blocks.' if self.blocks else ''}{self.block or 'immtf'}.{kind}"


def _of_gate(group: str, gate: _Gate, halt: e.RunHalted | None) -> Case:
    """Return a gate's case: failed where the run halted of gates and it did not hold, skipped where it was not decided."""
    last = gate.last
    case = Case(group, f"{last.gate} at {last.node}" if last.node else last.gate, gate.seconds, output=(entry(last).words,))
    if last.held and (halt is None or last.passes >= last.needed):
        return case
    if not last.held and halt is not None and halt.exit_code == ExitCode.GATE_FAILED:
        return _failed(case, replace(halt, what=last.reason, where=last.node or halt.where))
    state = f"held {last.passes} of {last.needed} times" if last.held else f"did not hold: {plain(last.reason)}"
    return replace(case, result="skipped", reason=f"{state}, when it was asked last")


def _failed(case: Case, halt: e.RunHalted) -> Case:
    """Return the case with a halt as its failure; a fault, and a wish to end, are errors: they say nothing of what was tried."""
    error = halt.exit_code in _ERRORS
    parts = (("", halt.what), ("where: ", halt.where), ("safe: ", halt.safe), ("next: ", halt.next))
    told = [f"{name}{plain(text)}" for name, text in parts if text]
    reason = f"{plain(halt.what)}; next: {plain(halt.next)}" if halt.next else plain(halt.what)
    return replace(case, result="error" if error else "failure", reason=reason, text="\n".join(told), kind=_kind(halt.exit_code))


def _kind(code: int) -> str:
    return ExitCode(code).name.lower() if code in set(ExitCode) else f"exit {code}"


def _line(event: e.StepFinished | e.StepSkipped) -> str:
    told = entry(event)
    took = "" if told.seconds is None else f" ({duration(told.seconds)})"
    return f"{told.subject}{took}: {told.words}" if isinstance(event, e.StepFinished) else f"{told.subject}: not needed, {told.words}"


def _between(since: datetime | None, until: datetime | None) -> float:
    return (until - since).total_seconds() if since and until else 0.0
