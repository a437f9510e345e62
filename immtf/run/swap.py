"""One node's swap: the new instance is made and proven to be up beside the old one; then the node moves over, and the old one is let go.

The node is away only from the stop of the old instance until its service answers on the new one: nothing of Terraform lies in between.
A new instance that never gets ready is taken away again while the old one serves on, untouched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from immtf.errors import GateFailed, PersonNeeded
from immtf.model.cloud import GONE
from immtf.model.events import Noted, StepStarted
from immtf.model.verdict import Verdict
from immtf.plan.decide import Act, decide_apply
from immtf.plan.judge_slots import judge_raised, judge_removed
from immtf.plan.slots import held
from immtf.plan.swap import decide_move, decide_raise, decide_stop_old, has_moved, has_part, orders, to_stop
from immtf.run.apply import Scope, apply_judged, refuse_halt
from immtf.run.capacity import Room
from immtf.run.gates import Question, check_cancel, confirm_spare, wait_for
from immtf.run.leaving import leave
from immtf.run.world import zones_of

if TYPE_CHECKING:
    from immtf.model.cloud import Instance
    from immtf.model.layout import Held, SlotPlace
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.moves import Moves

SLOT_TAG = "immtf:slot"
READY = "ready"
READY_LIMIT_S = 600.0
READY_PASSES = 2


@dataclass(frozen=True)
class Swap:
    """The steps of one node's swap into a `slot` whose instance is to be of this image; each returns the evidence and whether it acted."""

    moves: Moves
    node: NodeId
    slot: str
    image_id: str = ""

    def raise_slot(self) -> tuple[str, bool]:
        """Make the wanted instance beside the old one, or take up what an earlier run left of it."""
        world, patience = self.moves.world, self.moves.patience
        started = self.moves.converge(self.node, "RaiseSlot", partial(decide_raise, slot=self.slot), self._start)[1]
        now, place = self._observe(strays=True)
        instance = now.slots.get(self.slot)
        if instance is not None and instance.state not in GONE:
            return self._take_up(place, started=started)
        own = [stray for stray in now.strays if stray.tags.get(SLOT_TAG) == self.slot]
        if len(own) == len(now.strays) == 1:
            self._adopt(place, own[0])
            return f"{own[0].instance_id} was there already and is in the state", True
        refuse_halt(now)
        check_cancel(patience, str(self.node))
        room = Room(world, self.node, patience, self.moves.limits.apply_pauses_s)
        room.until_there(lambda: self._apply(room, removes=False))
        return f"{self._place().instance_id} is made; {now.place.instance_id} serves on", True

    def await_slot(self) -> tuple[str, bool]:
        """Wait until the wanted instance runs and answers. Raises `GateFailed` where it never does, and then it is gone again."""
        now, place = self._observe()
        if has_moved(now, self.slot):
            return f"{place.instance_id} has the node's volumes", False
        question = Question(READY, str(self.node), self._ready, READY_PASSES, 1.0, self._ready_limit_s(), check="slot-ready")
        try:
            wait_for([question], self.moves.patience, where=str(self.node))
        except GateFailed as failed:
            became, mend = self._give_up()
            what = f"the new instance {place.instance_id} never got ready{became}: {failed.what}"
            raise GateFailed(what, where=failed.where, next=mend or failed.next) from failed
        return f"{place.instance_id} is up and waits for the node's volumes", True

    def stop_old(self) -> tuple[str, bool]:
        """Stop what serves, and wait until it is stopped."""
        return self.moves.converge(self.node, "StopOld", partial(decide_stop_old, slot=self.slot), self._stop)

    def move(self) -> tuple[str, bool]:
        """Move the volumes and the network interface to the wanted instance."""
        return self.moves.converge(self.node, "MoveToSlot", partial(decide_move, slot=self.slot), self._move)

    def moved(self) -> bool:
        """Return whether the node has moved over, and nothing else of it is left to be stopped."""
        now = self.moves.world.node(self.node)
        return has_moved(now, self.slot) and not to_stop(now, self.slot)

    def wanting(self) -> tuple[NodeNow, Held] | None:
        """Return the node, and what is held, where its wanted instance is still to be made and nothing speaks against that; else None."""
        if self.moves.patience.cancel.is_set():
            return None
        now, place = self._observe(strays=True)
        kept = held(now, self.slot, both=True)
        alone = now.slots.get(self.slot) is None and not place.instance_id and not now.strays
        return (now, kept) if kept and alone and isinstance(decide_apply(now), Act) else None

    def _observe(self, *, strays: bool = False) -> tuple[NodeNow, SlotPlace]:
        return self.moves.world.node(self.node, strays=strays), self._place()

    def _place(self) -> SlotPlace:
        place = self.moves.world.layout.nodes[self.node].slot(self.slot)
        if place is None:
            what = f"Terraform's plan has no slot {self.slot} any more"
            raise PersonNeeded(what, where=str(self.node), next="run `immtf upgrade` again: it plans anew")
        return place

    def _take_up(self, place: SlotPlace, *, started: bool) -> tuple[str, bool]:
        """Go on with an instance that runs: one whose making was cut off, or an old one that is to serve again."""
        if place.tainted:
            self._tell(f"keep {place.instance_id}, whose making was cut off: whether it is any good is seen next")
            self.moves.world.terraform.untaint(place.address)
            self.moves.world.survey()
        return f"{place.instance_id} is there", place.tainted or started

    def _adopt(self, place: SlotPlace, stray: Instance) -> None:
        self._tell(f"take {stray.instance_id} into the state as {place.address}")
        if place.instance_id:
            self.moves.world.terraform.forget(place.address)
        self.moves.world.terraform.adopt(place.address, stray.instance_id)
        self.moves.world.survey()

    def _tell(self, what: str) -> None:
        self.moves.patience.emit(StepStarted(str(self.node), "RaiseSlot", what))

    def _apply(self, room: Room | None, *, removes: bool) -> int:
        """Apply the plan in which the old slot is held: beside the wanted one, or alone."""
        world, node = self.moves.world, self.node
        now, place = self._observe(strays=not removes)
        kept = held(now, self.slot, both=not removes)

        def judge(plan: PlanData) -> list[Refusal]:
            if room is not None:
                room.learn(replace(now, place=now.place.in_slot(place)), plan)
            return judge_removed(plan, now, self.slot) if removes else judge_raised(plan, now, self.slot, zones_of(now))

        return apply_judged(
            world,
            self.moves.patience,
            judge=judge,
            scope=Scope([place.address], {node.key: kept} if kept else {}, refresh=not kept or (bool(place.instance_id) and not removes)),
            where=str(node),
            step="RemoveSlot" if removes else "RaiseSlot",
        )

    def _give_up(self) -> tuple[str, str]:
        """Take the new instance away that never got ready, where another one of the node lives and this one has nothing of it.

        Return what became of it, and what a person does next ("" where the gate says it).
        """
        now, patience = self.moves.world.node(self.node), self.moves.patience
        back = f"give the node an image that is good: `immtf upgrade` or `immtf rollback {self.node}`; what never got ready goes then"
        if has_part(now, self.slot):
            return ", and has a part of the node already", back
        if held(now, self.slot, both=False) is None:
            return "; the node has no other", back
        patience.emit(Noted("warning", f"{self.node}: the new instance never got ready; it is removed, the old one stays as it is"))
        if not self._apply(None, removes=True):
            mend = "pass the variable `held` on to the node's module (docs/swap.md); the new instance stays until then"
            return ", and Terraform doesn't want to remove it", mend
        return f", and was removed; {'the node serves as before' if now.running else 'nothing was moved to it'}", ""

    def _ready_limit_s(self) -> float:
        return max((gate.deadline_s for gate in self.moves.world.cluster(self.node).gates), default=READY_LIMIT_S)

    def _ready(self) -> Verdict:
        """Judge whether the wanted instance runs, is of the wanted image, and answers."""
        now = self.moves.world.node(self.node)
        instance = now.slots.get(self.slot)
        if instance is None or instance.state != "running":
            gone = instance is not None and instance.state in {*GONE, "stopping", "stopped"}
            return Verdict(held=False, reason=f"the new instance is {instance.state if instance else 'not there'}", final=gone)
        if self.image_id and instance.image_id != self.image_id:
            what = f"{instance.instance_id} is made from {instance.image_id}, wanted {self.image_id}"
            return Verdict(held=False, reason=what, final=True)
        away = set(zones_of(now).values()) - {instance.zone, ""}
        if away:
            what = f"{instance.instance_id} is in {instance.zone}, the node's volumes are in {', '.join(sorted(away))}"
            return Verdict(held=False, reason=what, final=True)
        facts = self.moves.world.facts(now.place, instance)
        return Verdict(held=not facts.problem, reason=facts.problem or f"{instance.instance_id} answers")

    def _start(self, _now: NodeNow) -> None:
        self.moves.world.cloud.start(self._place().instance_id)

    def _stop(self, now: NodeNow) -> None:
        """Stop what still runs, after one more look at the quorum. What serves leaves before it goes, if its address stays behind."""
        world, patience, ids = self.moves.world, self.moves.patience, to_stop(now, self.slot)
        check_cancel(patience, str(self.node), settling=str(self.node) in self.moves.ledger.gone_since)
        confirm_spare(world, self.node, patience)
        self.moves.ledger.gone(str(self.node), patience.clock.monotonic())
        if now.place.instance_id in ids:
            leave(world, self.node, patience, "StopOld")
        for identity in ids:
            world.cloud.stop(identity)

    def _move(self, now: NodeNow) -> None:
        """Make every call that can be made now: each thing moves by itself."""
        cloud, devices = self.moves.world.cloud, {place.volume_id: place.device for place in now.place.volumes}
        for order in orders(now, self.slot):
            if order.volume_id and order.what == "detach":
                cloud.detach(order.volume_id, order.instance_id)
            elif order.volume_id:
                cloud.attach(order.volume_id, order.instance_id, devices[order.volume_id])
            elif now.interface and order.what == "detach":
                cloud.detach_interface(now.interface.attachment_id)
            elif now.interface and now.place.interface:
                cloud.attach_interface(now.interface.interface_id, order.instance_id, now.place.interface.index)
