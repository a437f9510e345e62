"""The plan judge of strategy `swap`: an instance may come beside the one that serves, and only one that has nothing may go.

What the final plan of a swap may do to its node is judged as any node's (`judge_node`); here is what comes on top, and the two plans in
which nothing but one slot's instance is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.cloud import GONE
from immtf.plan.judge import acting, hard_rules, node_rules, refuse_rows
from immtf.plan.layout import INSTANCE, INTERFACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import Change, PlanData
    from immtf.plan.judge import Refusal

_AGAIN = "run `immtf upgrade` again: it plans anew"


def judge_raised(plan: PlanData, now: NodeNow, slot: str, zones: Mapping[str, str]) -> list[Refusal]:
    """Judge the plan that makes the wanted instance beside the one that serves: it makes that instance and nothing else.

    One that an interrupted apply left unfinished may be made again. `zones` maps the node's volume ids to their availability zones.
    """
    rows = acting(plan)
    wanted = [row for row in rows if _is_slot(row, now, slot) and "create" in row.actions]
    mend = "nothing but the new instance may change while the old one serves: look at what depends on the instances"
    return [
        *hard_rules(plan),
        *refuse_rows([row for row in rows if row not in wanted], "slot-alone", "would change while the old instance serves", mend),
        *_in_use(wanted, now),
        *node_rules(wanted, now.place, zones),
    ]


def judge_removed(plan: PlanData, now: NodeNow, slot: str) -> list[Refusal]:
    """Judge the plan that takes an instance away again that never got ready: it deletes that one and nothing else."""
    rows = acting(plan)
    wanted = [row for row in rows if _is_slot(row, now, slot) and row.is_delete]
    mend = "look at `immtf plan`; the instance that never got ready is to go alone"
    return [
        *hard_rules(plan),
        *refuse_rows([row for row in rows if row not in wanted], "slot-alone", "would change while the old instance serves", mend),
        *_in_use(wanted, now),
    ]


def judge_retired(plan: PlanData, now: NodeNow) -> list[Refusal]:
    """Judge what goes in the plan that ends a swap: instances that are stopped, and have nothing of the node any more."""
    rows = acting(plan)
    gone = [row for row in rows if row.type == INSTANCE and row.destroys and now.place.slot(str(row.index))]
    running = [row for row in gone if (item := now.slots.get(str(row.index))) is not None and item.state not in {"stopped", *GONE}]
    return [
        *refuse_rows(running, "running-instance", "runs and would be destroyed without having been stopped", _AGAIN),
        *_in_use(gone, now),
        *refuse_rows([row for row in rows if _unplugs(row, now)], "interface-moves", "would leave the instance that serves", _AGAIN),
    ]


def judge_remade(plan: PlanData, now: NodeNow) -> list[Refusal]:
    """Refuse, before it is stopped, that the instance that serves is made anew in its own slot: it has the node's address.

    One that is only marked as unfinished is taken up, and never made anew.
    """
    rows = [row for row in acting(plan) if now.place.slots and row.address == now.place.instance and row.is_replace]
    mend = "let it come with another image, or another user data: that is another slot, beside this one"
    return refuse_rows([] if now.place.tainted else rows, "slot-in-use", "would be made anew in its own slot while the node has it", mend)


def _unplugs(row: Change, now: NodeNow) -> bool:
    """Return whether a row would take the node's network interface off the running instance that has its volumes."""
    ties = row.after.get("attachment") if row.type == INTERFACE and row.is_update and now.running else None
    if not isinstance(ties, list):
        return False
    wanted = {str(tie.get("instance")) for tie in ties}
    return wanted != {now.place.instance_id} if wanted else bool(row.before.get("attachment"))


def _is_slot(row: Change, now: NodeNow, slot: str) -> bool:
    place = now.place.slot(slot)
    return row.type == INSTANCE and not row.deposed and place is not None and row.address == place.address


def _in_use(rows: list[Change], now: NodeNow) -> list[Refusal]:
    """Refuse that an instance goes which has a volume of the node, or its network interface."""
    owners = {tie.instance_id for volume in now.volumes.values() if volume for tie in volume.attachments}
    owners |= {now.interface.instance_id} if now.interface else set()
    using = [row for row in rows if row.destroys and str(row.before.get("id") or "") in owners - {""}]
    return refuse_rows(using, "slot-in-use", "would go, and has the node's volume or address", _AGAIN)
