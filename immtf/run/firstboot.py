"""First-boot marks: the only way in which a volume gets a filesystem, and only one that never had any.

No image formats by itself. It says that a volume is blank (nothing at all was found on it) and waits; `create` then puts down a mark
that names that very volume (`plan.facts.first_boot_script`), and the image makes a filesystem on it and on no other. An upgrade
gives a mark to a node that it has just made, never to one that was there: there a blank volume is one that lost its data, and
whatever is left of them is safe as long as nobody writes to it.

The rule for who is given one is `plan.custody.may_format`. It is decided for all nodes before the first mark is given. So a `create`
that was killed between its apply and its marks is finished by the next one. One that was killed between two marks leaves a blank
volume beside one in use, which looks like an emptied one: a person says which it is (`--accept-unmarked NODE`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import GuestFailed, PersonNeeded
from immtf.model.block import MountedGate
from immtf.model.events import Noted
from immtf.model.verdict import Verdict
from immtf.plan.checks import named
from immtf.plan.custody import blank_volumes, judge_arrived, judge_custody, may_format
from immtf.plan.facts import first_boot_script
from immtf.run.gates import Question, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.run.gates import Patience
    from immtf.run.world import World

SCRIPT_TIMEOUT_S = 30.0


def volumes_question(world: World, node: NodeId, ask: Callable[[], Verdict]) -> Question:
    """Ask at the pace of the cluster's `mounted` gate: what its file says of a mount's time holds here too. One answer will do."""
    pace = next((gate for gate in world.cluster(node).gates if isinstance(gate, MountedGate)), MountedGate())
    return Question("volumes", str(node), ask, interval_s=pace.interval_s, deadline_s=pace.deadline_s)


def await_mounts(world: World, nodes: Sequence[NodeId], patience: Patience, *, made: Collection[NodeId]) -> None:
    """Wait until these nodes' volumes are mounted, marked or not; those that are blank and new get their filesystems.

    `made` are the nodes that this very run made. Raises `PersonNeeded` for a blank volume that may have held data.
    """
    for node in nodes:
        _wait(world, node, patience, judge_arrived)
    blank = [now for now in (world.node(node, facts=True) for node in nodes) if blank_volumes(now)]
    if not blank:
        return
    _refuse_emptied(world, blank, made)
    for now in blank:
        _give(world, now, patience)
    for now in blank:
        _wait(world, now.node, patience, _judge_formatted)


def await_recovery(world: World, node: NodeId, patience: Patience) -> None:
    """Wait while a node's image checks a filesystem; returns at once where it doesn't, mounted or not."""
    if judge_custody(world.block.name, world.node(node, facts=True), marked=False).patience_s:
        _wait(world, node, patience, _judge_recovered)


def _judge_recovered(block: str, now: NodeNow) -> Verdict:
    verdict = judge_custody(block, now, marked=False)
    return verdict if verdict.patience_s else Verdict(held=True, reason=f"no longer being checked: {verdict.reason}")


def _wait(world: World, node: NodeId, patience: Patience, judge: Callable[[str, NodeNow], Verdict]) -> None:
    question = volumes_question(world, node, lambda: judge(world.block.name, world.node(node, facts=True)))
    wait_for([question], patience, where=str(node), settling=True)


def _judge_formatted(block: str, now: NodeNow) -> Verdict:
    blank = ", ".join(place.volume_id for place in blank_volumes(now))
    if blank:
        return Verdict(held=False, reason=f"{blank} got its first-boot mark, and the image has made no filesystem on it yet")
    return judge_custody(block, now, marked=False)


def _refuse_emptied(world: World, blank: Sequence[NodeNow], made: Collection[NodeId]) -> None:
    """Raise `PersonNeeded` where a blank volume may be one that was emptied; the others are asked only where there is a doubt."""
    doubtful = [now for now in blank if may_format(now, (), made=made, accepted=world.accepted, snapshotted=None)]
    if not doubtful:
        return
    nodes = [world.node(node, facts=True) for node in sorted(world.layout.nodes)]
    taken = {item.volume_id for item in world.cloud.snapshots(world.tags)} if world.tags else set()
    why = {now.node: may_format(now, nodes, made=made, accepted=world.accepted, snapshotted=taken) for now in doubtful}
    refused = [f"{node}: {reason}" for node, reason in why.items() if reason]
    if refused:
        first = next(node for node, reason in why.items() if reason)
        raise PersonNeeded(
            f"{named('blank')}a blank volume is not formatted: {'; '.join(refused)}",
            where=", ".join(str(node) for node, reason in why.items() if reason),
            next=f"find out where its data went; only if it never held any: --accept-unmarked {first}",
        )


def _give(world: World, now: NodeNow, patience: Patience) -> None:
    for place in blank_volumes(now):
        script = first_boot_script(place.mount, place.volume_id)
        world.guard()
        code, _, errors = world.guest.run(now.place.instance_id, script, timeout_s=SCRIPT_TIMEOUT_S)
        if code != 0:
            raise GuestFailed(f"the first-boot mark could not be given: {errors.strip() or code}", where=f"{now.node} {place.mount}")
        patience.emit(Noted("info", f"{now.node}: {place.volume_id} is new and blank; it gets its filesystem on {now.place.instance_id}"))
