"""Gates: questions to the world, asked until all of them hold together, K times in a row, within a limit.

A question that can't be answered has not held. One that waiting can't mend fails at once. Every asking is told, with its reason.

A gate that a person lets pass (`--allow`) is asked like the others, and the others have to hold as ever: only at the end, when it
is the only one that speaks against going on, it is passed over, and that is told.

A heavy gate (the user's own tests, seconds to minutes a time) is asked after all others, and only as often in a row as it wants itself:
the others go on alone until they have held long enough. When one of them falls meanwhile, it is asked anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from immtf.errors import CloudFailed, GateFailed, ImmtfError, Interrupted
from immtf.model.block import CommandGate, ConsulGate, EtcdGate, HttpGate, MountedGate, ServiceGate, TcpGate, TestinfraGate
from immtf.model.events import CheckOverridden, GateAsked
from immtf.model.verdict import Verdict
from immtf.plan.checks import Overrides, named, way_past
from immtf.plan.custody import judge_custody
from immtf.plan.faults import Fault, fault_of
from immtf.plan.judge import refuse
from immtf.plan.quorum import judge_spare, judge_whole
from immtf.plan.streak import Streak
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from immtf.model.block import Gate
    from immtf.model.names import NodeId
    from immtf.plan.judge import Refusal
    from immtf.run.others import Others
    from immtf.run.ports import Cancel, Clock, Listener
    from immtf.run.world import World


@dataclass(frozen=True, slots=True)
class Question:
    """A gate as it is asked of a node or, with `node` "", of the whole cluster; paces in seconds.

    `check` is the id of the check that it is part of; without one it is the gate's own.
    """

    gate: str
    node: str
    ask: Callable[[], Verdict]
    passes: int = 1
    interval_s: float = 1.0
    deadline_s: float = 600.0
    check: str = ""
    healthy_for_s: float = 0.0
    heavy: bool = False

    @property
    def id(self) -> str:
        """Return the id of what is checked here."""
        return self.check or self.gate


def ask(question: Question) -> Verdict:
    """Ask once; what could not be found out has not held. Credentials that are refused are raised: no wait mends them."""
    try:
        return question.ask()
    except ImmtfError as error:
        if isinstance(error, CloudFailed) and fault_of(error.code) is Fault.CREDENTIALS:
            raise
        return Verdict(held=False, reason=f"could not be asked: {error.what}")


def spare_questions(world: World, node: NodeId) -> list[Question]:
    """Return what has to hold before a node, with those at work together with it, is taken away: all others are whole, and quorum is left.

    Where the service tells its own quorum, that is asked. The other gates are a node's own: they are asked of it when it is back, and
    may hold of the new version only. None of these is ever passed over: a second node would be away.
    """
    cluster = world.cluster(node)
    gate, together = service_gate(cluster), world.at_work(node)
    if gate:
        questions = [_question(gate, "", lambda: _spare(world, gate, together))]
    else:
        others = [other for other in world.members(cluster.name) if other not in together]
        mounted = [item for item in cluster.gates if isinstance(item, MountedGate)]
        questions = [_node_question(world, item, other) for other in others for item in cluster.gates if item not in mounted]
        questions += [_question(item, "", lambda: _all_mounted(world, others)) for item in mounted]
    return [replace(question, check="spare") for question in questions]


def confirm_spare(world: World, node: NodeId, patience: Patience) -> None:
    """Look once more whether a node can be spared, right before it goes: time has passed since the gate.

    Where that does not hold, the gate is asked anew: a leader that was just elected knows nobody's health for a moment.
    """
    questions = spare_questions(world, node)
    if not all(ask(question).held for question in questions):
        wait_for(questions, patience, where=str(node))


def settle_questions(world: World, node: NodeId) -> list[Question]:
    """Return what has to hold, for a while, when a node is back: its own gates, and the whole cluster with it counted."""
    return [replace(_node_question(world, gate, node), healthy_for_s=gate.healthy_for_s) for gate in world.cluster(node).gates]


def cluster_questions(world: World, cluster: str) -> list[Question]:
    """Return what has to hold of a whole cluster: each node's own gates, and the service's once."""
    nodes = world.members(cluster)
    questions = []
    for gate in world.block.clusters[cluster].gates:
        asked = nodes[:1] if isinstance(gate, ServiceGate) else nodes
        questions += [_node_question(world, gate, node) for node in asked]
    return questions


def _spare(world: World, gate: ServiceGate, nodes: Sequence[NodeId]) -> Verdict:
    return judge_spare(world.service.view(gate, world.addresses(nodes[0].cluster)), *nodes, max_lag=gate.max_lag)


def _all_mounted(world: World, nodes: Sequence[NodeId]) -> Verdict:
    """Judge many nodes' volumes at once: asked one by one, what a node costs would grow with the cluster."""
    for now in world.asked(nodes):
        verdict = judge_custody(world.block.name, now)
        if not verdict.held:
            return replace(verdict, reason=f"{now.node}: {verdict.reason}")
    return Verdict(held=True, reason=f"all volumes of {', '.join(map(str, nodes))}")


def _whole(world: World, gate: ServiceGate, cluster: str) -> Verdict:
    """Judge the service; nodes that are still to be made are not expected yet."""
    view = world.service.view(gate, world.addresses(cluster))
    missing = sum(node.cluster == cluster for node in world.layout.nodes) - len(view.addresses)
    expected = gate.expect - missing if gate.expect else len(view.addresses)
    return judge_whole(view, expected, max_lag=gate.max_lag)


def _node_question(world: World, gate: Gate, node: NodeId) -> Question:
    match gate:
        case ConsulGate() | EtcdGate():
            return _question(gate, "", lambda: _whole(world, gate, node.cluster))
        case MountedGate():
            return _question(gate, str(node), lambda: judge_custody(world.block.name, world.node(node, facts=True)))
        case HttpGate():
            return _question(gate, str(node), lambda: _http(world, gate, node))
        case TcpGate():
            return _question(gate, str(node), lambda: world.knock.tcp(world.running(node).address, gate.port, timeout_s=gate.timeout_s))
        case CommandGate():
            return _question(gate, str(node), lambda: _command(world, gate, node))
        case TestinfraGate():
            return replace(_question(gate, str(node), lambda: _tested(world, gate, node)), heavy=True)
        case _:
            assert_never(gate)


def _question(gate: Gate, node: str, ask_it: Callable[[], Verdict]) -> Question:
    return Question(gate.id, node, ask_it, gate.passes, gate.interval_s, gate.deadline_s)


def _http(world: World, gate: HttpGate, node: NodeId) -> Verdict:
    url = gate.url.replace("{address}", world.running(node).address).replace("{node}", node.key)
    return world.knock.http(url, status=gate.status, contains=gate.contains, timeout_s=gate.timeout_s)


def _command(world: World, gate: CommandGate, node: NodeId) -> Verdict:
    now = world.node(node)
    if now.instance is None:
        return Verdict(held=False, reason="the node has no instance")
    code, output, errors = world.guest.run(now.instance.instance_id, gate.run, timeout_s=gate.timeout_s)
    said = (errors.strip() or output.strip()).splitlines()
    return Verdict(held=code == 0, reason=f"ended with {code}" + (f": {said[-1]}" if said else ""))


def _tested(world: World, gate: TestinfraGate, node: NodeId) -> Verdict:
    if world.checks is None:
        return Verdict(held=False, reason="nothing here can run tests of a node", final=True)
    return world.checks.run(gate, world.check_facts(node))


@dataclass(frozen=True, slots=True)
class Patience:
    """What a wait needs of the run: time, the wish to end, who is told, and which checks a person lets pass.

    `settling` waits are not cut short by a first wish. `others` are looked at while a node is waited for.
    """

    clock: Clock
    cancel: Cancel
    emit: Listener
    overrides: Overrides = field(default_factory=Overrides)
    others: Others | None = None

    def refuse(self, refusals: Iterable[Refusal], where: str) -> None:
        """Raise `PlanRefused` for what was refused, but for what a person lets pass: that is told, with the reason."""
        found = list(refusals)
        for item in found:
            if reason := self.overrides.reason(item.check):
                self.emit(CheckOverridden(where, item.check, f"{', '.join(item.addresses)} {item.what}".strip(), reason))
        refuse([item for item in found if not self.overrides.reason(item.check)], where)


def new_streak(questions: Sequence[Question], clock: Clock) -> Streak:
    """Return the streak of these questions that begins now: as often in a row and for as long as the strictest wants."""
    return Streak(
        needed=max(question.passes for question in questions),
        limit_s=max(question.deadline_s for question in questions),
        start=clock.monotonic(),
        healthy_for_s=max(question.healthy_for_s for question in questions),
    )


def wait_for(
    questions: Sequence[Question], patience: Patience, *, where: str, settling: bool = False, streak: Streak | None = None
) -> float:
    """Ask until all questions hold together, as often in a row and for as long as the strictest wants.

    A `streak` in which they held before goes on; its limit counts from now.

    A state that is slow and on its way (`Verdict.patience_s`) gets its own time; the limit counts from its end. Returns when the
    final streak began, in the clock's monotonic seconds. Raises `GateFailed` at the deadline, or at once where
    waiting can't help; `Interrupted` when the run is asked to end (while `settling`, with a node away, only when asked twice).
    """
    if not questions:
        return patience.clock.monotonic()
    streak = streak or new_streak(questions, patience.clock)
    streak.start = patience.clock.monotonic()
    denied = Round(Verdict(held=False, reason="held, but not often enough in a row"))
    questions = sorted(questions, key=lambda question: question.heavy)
    while True:
        asked = patience.clock.monotonic()
        answers = ask_round(questions, patience, streak, asked)
        denied = denied if answers.verdict.held else answers
        now = patience.clock.monotonic()
        streak.count(answers.verdict, asked, now)
        if streak.enough:
            for passed in answers.passed_over:
                patience.emit(passed)
            return now if streak.since is None else streak.since
        if answers.verdict.final or now >= streak.deadline:
            raise _failed(denied, where, now - streak.start, streak.flapped)
        if patience.others and not answers.verdict.held:
            patience.others.look(answers.verdict.reason)
        check_cancel(patience, where, settling=settling)
        interval = min(question.interval_s for question in questions)
        patience.clock.sleep(max(0.0, asked + interval - patience.clock.monotonic()))  # from one question's start to the next's


def check_cancel(patience: Patience, where: str, *, settling: bool = False) -> None:
    """Raise `Interrupted` where the run is asked to end and may end here."""
    if patience.cancel.is_urgent() or (patience.cancel.is_set() and not settling):
        raise Interrupted("stopped as asked", where=where, next="`immtf upgrade` goes on from what it finds")


@dataclass(frozen=True, slots=True)
class Round:
    """What one asking of all questions came to: the verdict, the check that spoke against, and what was passed over."""

    verdict: Verdict
    check: str = ""
    passed_over: tuple[CheckOverridden, ...] = ()


def ask_round(questions: Sequence[Question], patience: Patience, streak: Streak, asked: float) -> Round:
    """Ask every question once, up to the first that doesn't hold and may not be passed over."""
    passed_over: list[CheckOverridden] = []
    for question in questions:
        if question.heavy and streak.passes >= question.passes and not patience.overrides.reason(question.id):
            continue  # held in this streak, as often as it wants
        verdict = ask(question)
        passes = streak.one_more(asked) if verdict.held else 0
        elapsed, limit = (round(moment - streak.start, 3) for moment in (patience.clock.monotonic(), streak.deadline))
        patience.emit(GateAsked(question.node, question.gate, verdict.held, verdict.reason, passes, streak.needed, elapsed, limit))
        if not verdict.held and (reason := patience.overrides.reason(question.id)):
            passed_over.append(CheckOverridden(question.node, question.id, verdict.reason, reason))
        elif not verdict.held:
            return Round(replace(verdict, reason=f"{named(question.check)}{question.gate}: {verdict.reason}"), question.id)
    return Round(Verdict(held=True, reason=""), passed_over=tuple(passed_over))


def _failed(denied: Round, where: str, elapsed_s: float, flapped: str) -> GateFailed:
    how = "waiting would not mend it" if denied.verdict.final else f"not within {elapsed_s:.0f} s{flapped}"
    what = f"{denied.verdict.reason} ({how})"
    mend = denied.verdict.next or "mend what the gate names"
    return GateFailed(what, where=where, next=f"{mend}, then run `immtf upgrade` again{way_past(denied.check)}")
