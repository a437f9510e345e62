"""A full plan by whom it concerns: nodes, what is shared, and what must be mended first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.model.layout import Layout
from immtf.model.snapshot import ChangeKind
from immtf.plan.sort import sort_plan
from tests.fakes.builders import A, B, make_change, make_layout, make_place, make_plan_data

if TYPE_CHECKING:
    from immtf.model.terraform import Change

INSTANCE, VOLUME, ATTACHMENT = (
    f'module.server["a"].{name}' for name in ("aws_instance.this", "aws_ebs_volume.data", "aws_volume_attachment.data")
)
REPLACE = ("delete", "create")


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([make_change(INSTANCE, *REPLACE)], ChangeKind.REPLACE),
        ([make_change(INSTANCE, "create", "delete")], ChangeKind.REPLACE),
        ([make_change(INSTANCE, "create"), make_change(ATTACHMENT, "create")], ChangeKind.REBUILD),
        ([make_change(ATTACHMENT, "create")], ChangeKind.ATTACH),
        ([make_change(ATTACHMENT, *REPLACE), make_change(VOLUME, "update")], ChangeKind.ATTACH),
        ([make_change(VOLUME, "update")], ChangeKind.UPDATE),
        ([make_change(INSTANCE, "update")], ChangeKind.UPDATE),
        ([make_change(INSTANCE, "delete")], ChangeKind.REMOVE),
        ([make_change(INSTANCE, "forget")], ChangeKind.REMOVE),
        ([make_change('module.server["a"].aws_eip.x', "create")], ChangeKind.UPDATE),
        ([make_change(INSTANCE, "delete", deposed="1")], ChangeKind.UPDATE),
    ],
)
def test_the_kind_of_a_nodes_change(rows: list[Change], kind: ChangeKind) -> None:
    assert sort_plan(make_plan_data(*rows), make_layout()).nodes[A].kind is kind


def test_a_node_that_never_was_is_made() -> None:
    layout = Layout({A: make_place(volume_id="", instance_id="")})
    assert sort_plan(make_plan_data(make_change(INSTANCE, "create")), layout).nodes[A].kind is ChangeKind.CREATE


def test_reasons_and_image_are_terraforms() -> None:
    rows = make_change(
        INSTANCE, *REPLACE, replace_paths=("ami", "user_data"), reason="replace_because_cannot_update", after={"ami": "ami-new"}
    )
    change = sort_plan(make_plan_data(rows), make_layout()).nodes[A]
    assert (change.reasons, change.image_id) == (("ami", "user_data"), "ami-new")
    tainted = make_change(INSTANCE, *REPLACE, reason="replace_because_tainted")
    assert sort_plan(make_plan_data(tainted), make_layout()).nodes[A].reasons == ("replace_because_tainted",)


def test_rows_of_no_node_are_shared_and_noops_are_nothing() -> None:
    plan = make_plan_data(
        make_change("aws_security_group.server", "update"),
        make_change('module.server["b"].aws_instance.this', "no-op"),
        make_change(INSTANCE, *REPLACE),
        outputs=["ids"],
    )
    parts = sort_plan(plan, make_layout())
    assert [str(change) for change in parts.shared] == ["aws_security_group.server: update"]
    assert parts.outputs == ("ids",)
    assert list(parts.nodes) == [A]
    assert parts.refusals == ()


@pytest.mark.parametrize(
    ("row", "check"),
    [
        (make_change(VOLUME, *REPLACE), "volume-deleted"),
        (make_change(INSTANCE, "delete"), "node-removed"),
        (make_change(INSTANCE, "create", "delete"), "create-before-destroy"),
        (make_change(INSTANCE, *REPLACE, after={"availability_zone": "eu-west-1z"}), "zone"),
        (make_change(VOLUME, "create"), "volume-made-anew"),
    ],
)
def test_what_a_step_would_refuse_is_refused_before_the_first_step(row: Change, check: str) -> None:
    """F2, F4, F23, F38."""
    parts = sort_plan(make_plan_data(row), make_layout(), {A: {"vol-a": "eu-west-1a"}})
    assert [refusal.check for refusal in parts.refusals] == [check]


def test_a_zone_is_compared_with_the_nodes_own_volumes_only() -> None:
    row = make_change(INSTANCE, *REPLACE, after={"availability_zone": "eu-west-1a"})
    assert sort_plan(make_plan_data(row), make_layout(), {B: {"vol-b": "eu-west-1b"}}).refusals == ()
