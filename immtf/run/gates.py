"""Gates: questions to the world, asked until all of them hold together, K times in a row, within a limit.

A question that can't be answered has not held. One that waiting can't mend fails at once. Every asking is told, with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from immtf.errors import GateFailed, GuestFailed, ImmtfError, Interrupted
from immtf.model.block import CommandGate, ConsulGate, HttpGate, MountedGate, TcpGate
from immtf.model.events import GateAsked
from immtf.model.verdict import Verdict
from immtf.plan.custody import judge_custody
from immtf.plan.quorum import judge_spare, judge_whole
from immtf.run.world import consul_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.model.block import Gate
    from immtf.model.names import NodeId
    from immtf.run.ports import Cancel, Clock, Listener
    from immtf.run.world import World


@dataclass(frozen=True, slots=True)
class Question:
    """A gate as it is asked of a node or, with `node` "", of the whole cluster; paces in seconds."""

    gate: str
    node: str
    ask: Callable[[], Verdict]
    passes: int = 1
    interval_s: float = 1.0
    deadline_s: float = 600.0


def ask(question: Question) -> Verdict:
    """Ask once; what could not be found out has not held."""
    try:
        return question.ask()
    except ImmtfError as error:
        return Verdict(held=False, reason=f"could not be asked: {error.what}")


def spare_questions(world: World, node: NodeId) -> list[Question]:
    """Return what has to hold before a node is taken away: all others are whole, and quorum is left.

    Where the service tells its own quorum, that is asked. The other gates are a node's own: they are asked of it when it is back, and
    may hold of the new version only.
    """
    cluster = world.cluster(node)
    gate = consul_gate(cluster)
    if gate:
        return [_question(gate, "", lambda: _spare(world, gate, node))]
    others = [other for other in world.members(cluster.name) if other != node]
    return [_node_question(world, item, other) for other in others for item in cluster.gates]


def settle_questions(world: World, node: NodeId) -> list[Question]:
    """Return what has to hold when a node is back: its own gates, and the whole cluster with it counted."""
    return [_node_question(world, gate, node) for gate in world.cluster(node).gates]


def cluster_questions(world: World, cluster: str) -> list[Question]:
    """Return what has to hold of a whole cluster: each node's own gates, and the service's once."""
    nodes = world.members(cluster)
    questions = []
    for gate in world.block.clusters[cluster].gates:
        asked = nodes[:1] if isinstance(gate, ConsulGate) else nodes
        questions += [_node_question(world, gate, node) for node in asked]
    return questions


def _spare(world: World, gate: ConsulGate, node: NodeId) -> Verdict:
    return judge_spare(world.service.view(gate, world.addresses(node.cluster)), node, max_lag=gate.max_lag)


def _whole(world: World, gate: ConsulGate, cluster: str) -> Verdict:
    """Judge the service; nodes that are still to be made are not expected yet."""
    view = world.service.view(gate, world.addresses(cluster))
    missing = sum(node.cluster == cluster for node in world.layout.nodes) - len(view.addresses)
    expected = gate.expect - missing if gate.expect else len(view.addresses)
    return judge_whole(view, expected, max_lag=gate.max_lag)


def _node_question(world: World, gate: Gate, node: NodeId) -> Question:
    match gate:
        case ConsulGate():
            return _question(gate, "", lambda: _whole(world, gate, node.cluster))
        case MountedGate():
            return _question(gate, str(node), lambda: judge_custody(world.block.name, world.node(node, facts=True)))
        case HttpGate():
            return _question(gate, str(node), lambda: _http(world, gate, node))
        case TcpGate():
            return _question(gate, str(node), lambda: world.knock.tcp(_address(world, node), gate.port, timeout_s=gate.timeout_s))
        case CommandGate():
            return _question(gate, str(node), lambda: _command(world, gate, node))
        case _:
            assert_never(gate)


def _question(gate: Gate, node: str, ask_it: Callable[[], Verdict]) -> Question:
    return Question(gate.id, node, ask_it, gate.passes, gate.interval_s, gate.deadline_s)


def _address(world: World, node: NodeId) -> str:
    now = world.node(node)
    if now.instance is None or not now.running:
        raise GuestFailed(f"the instance is {now.instance.state if now.instance else 'not there'}", where=str(node))
    return now.instance.address


def _http(world: World, gate: HttpGate, node: NodeId) -> Verdict:
    url = gate.url.replace("{address}", _address(world, node)).replace("{node}", node.key)
    return world.knock.http(url, status=gate.status, contains=gate.contains, timeout_s=gate.timeout_s)


def _command(world: World, gate: CommandGate, node: NodeId) -> Verdict:
    now = world.node(node)
    if now.instance is None:
        return Verdict(held=False, reason="the node has no instance")
    code, output, errors = world.guest.run(now.instance.instance_id, gate.run, timeout_s=gate.timeout_s)
    said = (errors.strip() or output.strip()).splitlines()
    return Verdict(held=code == 0, reason=f"ended with {code}" + (f": {said[-1]}" if said else ""))


@dataclass(frozen=True, slots=True)
class Patience:
    """What a wait needs of the run: time, the wish to end, and who is told. `settling` waits are not cut short by a first wish."""

    clock: Clock
    cancel: Cancel
    emit: Listener


def wait_for(questions: Sequence[Question], patience: Patience, *, where: str, settling: bool = False) -> float:
    """Ask until all questions hold together, as often in a row as the strictest wants.

    Returns when the final streak began, in the clock's monotonic seconds. Raises `GateFailed` at the deadline, or at once where
    waiting can't help; `Interrupted` when the run is asked to end (while `settling`, with a node away, only when asked twice).
    """
    if not questions:
        return patience.clock.monotonic()
    start = began = patience.clock.monotonic()
    needed = max(question.passes for question in questions)
    limit = max(question.deadline_s for question in questions)
    streak, denied = 0, Verdict(held=False, reason="held, but not often enough in a row")
    while True:
        asked = patience.clock.monotonic()
        verdict = _round(questions, patience, streak, needed, start, limit)
        denied = denied if verdict.held else verdict
        now = patience.clock.monotonic()
        began = began if verdict.held and streak else now
        streak = streak + 1 if verdict.held else 0
        if streak >= needed:
            return began
        if verdict.final or now - start >= limit:
            raise _failed(denied, where, now - start)
        check_cancel(patience, where, settling=settling)
        interval = min(question.interval_s for question in questions)
        patience.clock.sleep(max(0.0, asked + interval - patience.clock.monotonic()))  # from one question's start to the next's


def check_cancel(patience: Patience, where: str, *, settling: bool = False) -> None:
    """Raise `Interrupted` where the run is asked to end and may end here."""
    if patience.cancel.is_urgent() or (patience.cancel.is_set() and not settling):
        raise Interrupted("stopped as asked", where=where, next="`immtf upgrade` goes on from what it finds")


def _round(questions: Sequence[Question], patience: Patience, streak: int, needed: int, start: float, limit: float) -> Verdict:
    """Ask every question once, up to the first that doesn't hold."""
    verdict = Verdict(held=True, reason="")
    for question in questions:
        verdict = ask(question)
        passes = streak + 1 if verdict.held else 0
        elapsed = patience.clock.monotonic() - start
        patience.emit(GateAsked(question.node, question.gate, verdict.held, verdict.reason, passes, needed, round(elapsed, 3), limit))
        if not verdict.held:
            return Verdict(held=False, reason=f"{question.gate}: {verdict.reason}", final=verdict.final)
    return verdict


def _failed(verdict: Verdict, where: str, elapsed_s: float) -> GateFailed:
    how = "waiting would not mend it" if verdict.final else f"not within {elapsed_s:.0f} s"
    return GateFailed(f"{verdict.reason} ({how})", where=where, next="mend what the gate names, then run `immtf upgrade` again")
