"""The judge over all three layouts: a module per node, resources with keys, and counted ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.judge import acting, judge_alive, judge_create, judge_node, judge_shared
from immtf.plan.layout import ATTACHMENT, INSTANCE, VOLUME, lay_out, lint_layout
from immtf.plan.sort import sort_plan
from tests.fakes.builders import ZONE, make_change, make_plan_data, make_state
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from immtf.model.layout import Layout
    from immtf.model.names import NodeId
    from immtf.model.terraform import Change, PlanData

KINDS = (INSTANCE, VOLUME, ATTACHMENT)
SHARED = ("aws_security_group.this", "aws_ebs_volume.elsewhere", "aws_volume_attachment.loose", "aws_instance.bastion")
ACTIONS = [("no-op",), ("create",), ("update",), ("delete",), ("delete", "create"), ("create", "delete"), ("forget",), ("create", "forget")]


@dataclass(frozen=True)
class Shape:
    """One way to lay three nodes out: where the nodes are, and each resource's address by its kind and number."""

    nodes: str
    pattern: str

    def address(self, kind: str, number: int) -> str:
        name = "server" if kind == INSTANCE and "module" not in self.pattern else "this" if kind == INSTANCE else "data"
        return self.pattern.format(kind=kind, name=name, key="abc"[number], number=number)

    def layout(self) -> Layout:
        rows = {self.address(kind, number): f"{kind}-{number}" for kind in KINDS for number in range(3)}
        return lay_out(make_block(self.nodes), make_state(rows))


SHAPES = {
    "module": Shape("module.server", 'module.server["{key}"].{kind}.{name}'),
    "keyed": Shape("aws_instance.server", '{kind}.{name}["{key}"]'),
    "counted": Shape("aws_instance.server", "{kind}.{name}[{number}]"),
    "counted modules": Shape("module.server", "module.server[{number}].{kind}.{name}"),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def first(layout: Layout) -> NodeId:
    return min(layout.nodes)


@st.composite
def plans(draw: st.DrawFn, shape: Shape) -> PlanData:
    """Draw a plan of any rows with any actions, of nodes and of none; some names and ends of attachments change hands."""
    addresses = [shape.address(kind, number) for kind in KINDS for number in range(3)]
    chosen = draw(st.lists(st.sampled_from([*addresses, *SHARED]), unique=True, max_size=8))
    return make_plan_data(*(draw(rows(address)) for address in chosen), errored=draw(st.booleans()) and draw(st.booleans()))


@st.composite
def rows(draw: st.DrawFn, address: str) -> Change:
    before, after = (draw(st.sampled_from([{}, {"tags": {"immtf:node": "a"}}, {"tags": {"immtf:node": "b"}}])) for _ in range(2))
    end = draw(st.sampled_from([{}, *({"volume_id": f"{VOLUME}-{number}"} for number in range(3))])) if ATTACHMENT in address else {}
    disk = draw(st.sampled_from([{}, {"ebs_block_device": [{"delete_on_termination": True}]}])) if INSTANCE in address else {}
    deposed = draw(st.sampled_from(["", "", "", "0a1b"]))
    return make_change(address, *draw(st.sampled_from(ACTIONS)), before=before, after={**after, **end, **disk}, deposed=deposed)


@shapes
@given(data=st.data())
def test_what_passes_as_a_node_s_step_touches_that_node_alone_and_no_data(shape: Shape, data: st.DataObject) -> None:
    """F2, F4, F27, F38, F39, F40: whatever is planned."""
    plan, layout = data.draw(plans(shape)), shape.layout()
    place = layout.nodes[first(layout)]
    if judge_node(plan, place, layout, {f"{VOLUME}-0": ZONE}):
        return
    assert not plan.errored
    for row in acting(plan):
        assert layout.owner(row.address) == first(layout)
        assert not row.deposed
        assert not (row.type == VOLUME and row.actions != ("update",)), "a volume of a node that is there is changed in place only"
        assert not (row.type == INSTANCE and (row.creates_first or row.after.get("ebs_block_device")))
        assert row.type != ATTACHMENT or row.after.get("volume_id") in {None, f"{VOLUME}-0"}
    alive = not judge_alive(plan, place)
    assert not (alive and any(row.type in {INSTANCE, ATTACHMENT} and row.destroys for row in acting(plan)))


@shapes
@given(data=st.data())
def test_what_passes_as_shared_or_as_a_create_takes_nothing_from_a_node(shape: Shape, data: st.DataObject) -> None:
    """F2, F39."""
    plan, layout = data.draw(plans(shape)), shape.layout()
    if not judge_shared(plan, layout):
        assert not any(layout.owner(row.address) or (row.type == VOLUME and row.destroys) for row in acting(plan))
    if not judge_create(plan, layout):
        assert not any(row.destroys or row.is_forget for row in acting(plan))


@shapes
@given(data=st.data())
def test_what_the_whole_plan_lets_pass_no_step_refuses_for_its_node_s_own_sake(shape: Shape, data: st.DataObject) -> None:
    """What only shows itself when a node is stopped comes too late."""
    plan, layout = data.draw(plans(shape)), shape.layout()
    if sort_plan(plan, layout).refusals:
        return
    for node, place in layout.nodes.items():
        mine = make_plan_data(*(row for row in acting(plan) if layout.owner(row.address) == node))
        assert judge_node(mine, place, layout, {}) == []


@shapes
def test_a_node_s_volume_is_not_given_to_another(shape: Shape) -> None:
    """F18, F38."""
    layout = shape.layout()
    handed = make_change(
        shape.address(ATTACHMENT, 0), "delete", "create", after={"volume_id": f"{VOLUME}-1", "instance_id": f"{INSTANCE}-0"}
    )
    names = {"before": {"tags": {"immtf:node": "a"}}, "after": {"tags": {"immtf:node": "b"}}}
    renamed = make_change(shape.address(VOLUME, 0), "update", **names)
    foreign = make_change("aws_volume_attachment.loose", "create", after={"volume_id": f"{VOLUME}-0", "instance_id": "i-elsewhere"})
    for row in (handed, renamed, foreign):
        plan = make_plan_data(row)
        assert "rehomed" in [refusal.check for refusal in judge_node(plan, layout.nodes[first(layout)], layout, {})]
        assert "rehomed" in [refusal.check for refusal in sort_plan(plan, layout).refusals]
    assert "rehomed" in [refusal.check for refusal in judge_shared(make_plan_data(foreign), layout)]
    own = make_change(shape.address(ATTACHMENT, 0), "create", after={"volume_id": f"{VOLUME}-0"})
    first_named = make_change(shape.address(VOLUME, 0), "update", after={"tags": {"immtf:node": "a"}})
    assert judge_node(make_plan_data(own, first_named), layout.nodes[first(layout)], layout, {}) == []


@pytest.mark.parametrize(("name", "warned"), [("module", 0), ("keyed", 0), ("counted", 1), ("counted modules", 1)])
def test_counted_nodes_are_warned_of(name: str, warned: int) -> None:
    """F38: the lint."""
    warnings = lint_layout(SHAPES[name].layout())
    assert len(warnings) == warned
    assert all("for_each" in line and "cluster server" in line for line in warnings)
