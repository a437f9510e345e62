"""A run's account, folded from its events, of a run that was killed too: what began and never ended is halted where the telling ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Final

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.entries import block_sort, entry, spoken
from immtf.report.owned import owned
from immtf.report.page.account import Account, Calls, Cost, GateLine, NodeLine, Phase, PhaseSum, Problem, Skip, Streak, Writes
from immtf.report.page.texts import clean, mapped
from immtf.report.record import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from immtf.model.events import Event

LONGEST_S: Final = 1e9  # what is longer was never measured: sums of it would be no numbers
_PAUSE_S: Final = 1.0  # between two waits for the same node, within one streak of answers


def account_of(told: Iterable[tuple[Event, datetime]], run: str) -> Account:
    """Return the account of a run from its events, as `read_journal` gives them; `run` is its id."""
    fold = _Fold(Account(clean(run)))
    for event, at in told:
        fold.take(mapped(event, clean), at if at.tzinfo else at.replace(tzinfo=UTC))
    return fold.account()


@dataclass(slots=True)
class _Fold:
    """What was told so far; `now` is the moment of the last event."""

    known: Account
    began: datetime | None = None
    now: float = 0.0
    events: int = 0
    phases: list[Phase] = field(default_factory=list)
    open: list[Phase] = field(default_factory=list)
    nodes: dict[str, NodeLine] = field(default_factory=dict)
    gates: dict[tuple[str, str], GateLine] = field(default_factory=dict)
    waits: dict[tuple[str, str], float] = field(default_factory=dict)
    streaks: list[Streak] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    writes: list[Writes] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    problems: dict[tuple[str, str, str], Problem] = field(default_factory=dict)
    blocks: dict[str, b.BlockEnded] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    calls: list[Calls] = field(default_factory=list)

    def take(self, event: Event, at: datetime) -> None:
        """Fold one event in."""
        self.began = self.began or at
        self.now = max(self.now, round((at - self.began).total_seconds(), 3))
        self.events += 1
        mine = owned(event)
        self._take_stage(event)
        if not (isinstance(event, b.BlockTold) and isinstance(event.told, e.StageStarted | e.StageFinished)):
            self._take_phase(mine)
        self._take_node(mine)
        self._take_counts(mine, event.block if isinstance(event, b.BlockTold) else "")
        self._take_told(*((event.told, event.block) if isinstance(event, b.BlockTold) else (event, "")))
        self._take_problem(mine)
        match mine:
            case e.RunStarted():
                names = ("command", "block", "version", "environment", "cloud", "who")
                self.known = replace(self.known, **{name: getattr(mine, name) for name in names})
            case e.GateAsked():
                self._take_gate(mine)
            case e.RunHalted():
                self.known = replace(self.known, halt=mine)
            case e.RunFinished():
                self.known = replace(self.known, end=mine)
            case _:
                pass

    def account(self) -> Account:
        """Return the account as far as the run was told."""
        left = [replace(phase, seconds=round(self.now - phase.begin_s, 3), how="halted") for phase in self.open]
        phases = sorted([*self.phases, *left], key=lambda phase: (phase.begin_s, -phase.seconds))
        nodes = [self._ended(line) for line in self.nodes.values()]
        known = replace(
            self.known,
            began=stamp(self.began) if self.began else "",
            told_s=self.now,
            events=self.events,
            blocks=tuple(self.blocks.values()),
            sums=_sums(phases),
            nodes=tuple(nodes),
            asked=sum(gate.asked for gate in self.gates.values()),
            refused=sum(gate.refused for gate in self.gates.values()),
            gates=tuple(self.gates.values()),
            problems=tuple(self.problems.values()),
            skips=(*self.skips, *(Skip(line.node, "node", line.words) for line in nodes if line.how == "not reached")),
            phases=tuple(phases),
            streaks=tuple(self.streaks),
            writes=tuple(self.writes),
            calls=tuple(self.calls),
            costs=tuple(self.costs.values()),
        )
        return mapped(known, clean)  # what was put together of texts is one again

    def _take_phase(self, event: Event) -> None:
        match event:
            case e.StepStarted():
                self._begin("step", event.node, spoken(event.step))
            case e.StepFinished():
                self._finish("step", event.node, spoken(event.step), event.seconds)
            case e.StepSkipped():
                self._drop("step", event.node, spoken(event.step))
                self.skips.append(Skip(event.node, spoken(event.step), event.reason))
            case b.BlockStarted():
                self._begin("block", event.block, "block")
            case b.BlockEnded():
                self._end_block(event)
            case _:
                pass

    def _take_stage(self, event: Event) -> None:
        stage, owner = (event.told, event.block) if isinstance(event, b.BlockTold) else (event, "")
        if isinstance(stage, e.StageStarted):
            self._begin("stage", owner, stage.stage)
        elif isinstance(stage, e.StageFinished):
            self._finish("stage", owner, stage.stage, stage.seconds)

    def _begin(self, kind: str, owner: str, name: str) -> None:
        self.open.append(Phase(kind, owner, name, self.now, 0.0))

    def _drop(self, kind: str, owner: str, name: str) -> None:
        """Forget the innermost phase of this name that is open, if one is."""
        for place in range(len(self.open) - 1, -1, -1):
            phase = self.open[place]
            if (phase.kind, phase.owner, phase.name) == (kind, owner, name):
                del self.open[place]
                return

    def _finish(self, kind: str, owner: str, name: str, seconds: float, how: str = "done") -> None:
        """Add a phase that ends now and took so long: not every step tells its start."""
        self._drop(kind, owner, name)
        took = min(seconds, LONGEST_S)
        self.phases.append(Phase(kind, owner, name, max(0.0, round(self.now - took, 3)), took, how))

    def _end_block(self, event: b.BlockEnded) -> None:
        self.blocks[event.block] = event
        sort = block_sort(event)
        if sort == "skip":
            self.skips.append(Skip(event.block, "block", event.problem))
            return
        self._finish("block", event.block, "block", event.seconds, "done" if sort == "done" else "halted")
        inner = [phase for phase in self.open if phase.owner == event.block or phase.owner.startswith(f"{event.block} ")]
        for phase in inner:
            self.open.remove(phase)
            self.phases.append(replace(phase, seconds=round(self.now - phase.begin_s, 3), how="halted"))

    def _take_told(self, told: Event, block: str) -> None:
        """Fold in what the run told, or the run of a block."""
        match told:
            case e.PlanMade():
                self._take_plan(told, f"{block} " if block else "")
            case e.ProbeReported():
                self.writes.append(Writes(block, self.now, told.acknowledged, told.failed, told.gap_s, told.since_ack_s, told.recent_gap_s))
            case e.RunHalted():
                self._problem("halted", f"{block} {told.where}".strip(), told.what, told.next)
            case e.Noted(level="warning"):
                self._problem("warning", block, told.message)
            case _:
                pass

    def _take_counts(self, event: Event, block: str) -> None:
        """Add what was counted since the last end of a step to whoever ends one now; each block counts its own."""
        if not isinstance(event, e.StepFinished | e.StageFinished) or event.aws_api_calls is None:
            return
        calls, runs = event.aws_api_calls, event.terraform_runs or 0
        before = self.counts.get(block, (0, 0))
        self.counts[block] = (calls, runs)
        owner = event.node if isinstance(event, e.StepFinished) else block
        known = self.costs.get(owner, Cost(owner, 0, 0))
        more = max(0, calls - before[0]), max(0, runs - before[1])
        self.costs[owner] = Cost(owner, known.aws_calls + more[0], known.terraform_runs + more[1])
        self.calls.append(Calls(self.now, sum(count[0] for count in self.counts.values()), sum(count[1] for count in self.counts.values())))

    def _take_plan(self, plan: e.PlanMade, prefix: str) -> None:
        self.known = replace(self.known, image=self.known.image or plan.image)
        for row in plan.rows:
            how = "nothing to do" if row.action in {"none", "skip"} else "not reached"
            words = row.why if how == "nothing to do" else f"not reached ({row.action}: {row.now} to {row.target})"
            self.nodes[prefix + row.node] = NodeLine(prefix + row.node, how, None, None, None, words)

    def _take_node(self, event: Event) -> None:
        match event:
            case e.NodeStarted():
                line = NodeLine(event.node, "at work", None, None, self.now, f"{event.action}: {event.why}")
            case e.NodeFinished():
                line = NodeLine(event.node, "done", event.seconds, event.away_s, self.now, entry(event).words)
            case e.NodeSkipped():
                line = NodeLine(event.node, "skipped", None, None, self.now, event.reason)
                self.skips.append(Skip(event.node, "node", event.reason))
            case _:
                return
        self.nodes[event.node] = line

    def _ended(self, line: NodeLine) -> NodeLine:
        """Return how a node ended: one at work when the telling ends was halted, and of a plan none was to be reached."""
        if line.how == "at work":
            return replace(line, how="halted")
        pending = line.how == "not reached" and self.known.end is not None and self.known.end.outcome in {"pending", "done"}
        return replace(line, how="planned", words=line.words.removeprefix("not reached ").strip("()")) if pending else line

    def _take_gate(self, event: e.GateAsked) -> None:
        key = (event.node, event.gate)
        before = self.gates.get(key, GateLine(*key, 0, 0, 0.0, holds=False, words=""))
        last = self.waits.get(key, 0.0)
        more = event.elapsed_s - last if event.elapsed_s >= last else event.elapsed_s  # a new wait counts from 0 again
        self.waits[key] = event.elapsed_s
        holds = event.held and event.passes >= event.needed
        self.gates[key] = GateLine(
            *key,
            before.asked + 1,
            before.refused + (not event.held),
            round(before.waited_s + min(more, LONGEST_S), 3),
            holds,
            entry(event).words,
        )
        began = max(0.0, round(self.now - min(event.elapsed_s, LONGEST_S), 3))
        place = self.latest.get(event.node)
        if place is not None and self.streaks[place].held == event.held and began <= self.streaks[place].end_s + _PAUSE_S:
            self.streaks[place] = replace(self.streaks[place], end_s=self.now, asked=self.streaks[place].asked + 1)
            return
        self.latest[event.node] = len(self.streaks)
        since = max(began, self.streaks[place].end_s) if place is not None else began
        self.streaks.append(Streak(event.node, since, self.now, event.held, 1))

    def _take_problem(self, event: Event) -> None:
        match event:
            case b.BlockEnded() if block_sort(event) == "fail":
                self._problem("failed", event.block, event.problem or f"exit {event.exit_code}", event.next)
            case e.TerraformTold(kind="diagnostic" | "apply_errored"):
                self._problem("terraform", event.node, entry(event).words)
            case e.CheckOverridden():
                self._problem("let pass", event.node, f"{event.check}: {event.what}; because {event.reason}")
            case _:
                pass

    def _problem(self, sort: str, owner: str, what: str, following: str = "") -> None:
        before = self.problems.get((sort, owner, what), Problem(sort, owner, self.now, what, following, 0))
        self.problems[sort, owner, what] = replace(before, times=before.times + 1)


def _sums(phases: Iterable[Phase]) -> tuple[PhaseSum, ...]:
    sums: dict[tuple[str, str], PhaseSum] = {}
    for phase in phases:
        key = (phase.kind, phase.name)
        before = sums.get(key, PhaseSum(*key, 0, 0.0, -1.0, ""))
        longest = (phase.seconds, phase.owner) if phase.seconds > before.longest_s else (before.longest_s, before.longest)
        sums[key] = PhaseSum(*key, before.count + 1, round(before.total_s + phase.seconds, 3), *longest)
    return tuple(sums.values())
