"""What each step may apply, and what nobody may: rows of a plan are the only evidence."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import PlanRefused
from immtf.plan.judge import acting, hard_rules, judge_alive, judge_create, judge_destroy, judge_node, judge_shared, refuse
from tests.fakes.builders import ZONE, A, make_change, make_layout, make_place, make_plan_data

if TYPE_CHECKING:
    from immtf.model.terraform import Change, PlanData

INSTANCE, VOLUME, ATTACHMENT = (
    f'module.server["a"].{name}' for name in ("aws_instance.this", "aws_ebs_volume.data", "aws_volume_attachment.data")
)
OTHER = 'module.server["b"].aws_instance.this'
GROUP = "aws_security_group.server"
REPLACE = ("delete", "create")
ROOT = {"device_name": "/dev/sda1", "volume_id": "vol-root", "delete_on_termination": True}
KEPT = {"device_name": "/dev/xvdf", "volume_id": "vol-a", "delete_on_termination": False}
DOOMED = {"device_name": "/dev/sdg", "volume_id": "vol-scratch", "delete_on_termination": True}
LAYOUT = make_layout()


def checks(plan: PlanData, zones: dict[str, str] | None = None) -> list[str]:
    """Return the names of what is refused in node a's step."""
    return [refusal.check for refusal in judge_node(plan, LAYOUT.nodes[A], LAYOUT, {"vol-a": ZONE} if zones is None else zones)]


def one(address: str, *actions: str, **more: object) -> PlanData:
    return make_plan_data(make_change(address, *actions, **more))


def test_a_nodes_own_replacement_may_be_applied() -> None:
    rows = [make_change(INSTANCE, *REPLACE, after={"ami": "ami-new", "availability_zone": ZONE}), make_change(ATTACHMENT, *REPLACE)]
    assert checks(make_plan_data(*rows, make_change(VOLUME, "no-op"), make_change(OTHER, "no-op"))) == []


@pytest.mark.parametrize(
    ("plan", "check"),
    [
        (one(OTHER, *REPLACE), "other-node"),
        (one(OTHER, "update"), "other-node"),
        (one('module.server["b"].aws_eip.new', "create"), "other-node"),
        (one(GROUP, "update"), "shared-change"),
        (one("aws_volume_attachment.loose", "delete"), "attachment-destroyed"),
        (one(VOLUME, *REPLACE), "volume-deleted"),
        (one(VOLUME, "delete"), "volume-deleted"),
        (one(VOLUME, "forget"), "volume-deleted"),
        (one('module.server["b"].aws_ebs_volume.data', *REPLACE), "volume-deleted"),
        (one("aws_ebs_volume.elsewhere", "delete"), "volume-deleted"),
        (one(VOLUME, "create"), "volume-made-anew"),
        (one('module.server["a"].aws_ebs_volume.second', "create"), "volume-made-anew"),
        (one(INSTANCE, "create", "delete"), "create-before-destroy"),
        (one(INSTANCE, *REPLACE, after={"availability_zone": "eu-west-1z"}), "zone"),
        (one(INSTANCE, *REPLACE, after={"ebs_block_device": [{"delete_on_termination": True}]}), "data-disk"),
        (one(INSTANCE, *REPLACE, before={"ebs_block_device": [DOOMED, ROOT], "root_block_device": [ROOT]}), "data-disk"),
        (one(INSTANCE, *REPLACE, before={"ebs_block_device": [{"delete_on_termination": True}], "root_block_device": [{}]}), "data-disk"),
        (one(INSTANCE, "delete", deposed="0a1b"), "deposed"),
        (make_plan_data(errored=True), "plan-errored"),
    ],
)
def test_what_a_nodes_step_may_not_do(plan: PlanData, check: str) -> None:
    """F2, F4, F23, F27, F38, F39, F40."""
    assert check in checks(plan)


@pytest.mark.parametrize(
    "plan",
    [
        one(VOLUME, "update"),
        one(INSTANCE, "update"),
        one(INSTANCE, "create"),
        one(ATTACHMENT, "create"),
        one(INSTANCE, *REPLACE, after={}),
        one(INSTANCE, *REPLACE, after={"ebs_block_device": [{"delete_on_termination": False}]}),
        one(INSTANCE, *REPLACE, after={"ebs_block_device": None}),
        one(INSTANCE, *REPLACE, before={"ebs_block_device": [ROOT], "root_block_device": [ROOT]}),
        one(
            INSTANCE,
            *REPLACE,
            before={"ebs_block_device": [{"volume_id": "vol-a", "delete_on_termination": False}], "root_block_device": [ROOT]},
        ),
        one(GROUP, "no-op"),
        one("data.aws_ami.x", "read"),
        make_plan_data(outputs=["ids"]),
    ],
)
def test_what_a_nodes_step_may_do(plan: PlanData) -> None:
    assert checks(plan) == []


def test_a_volume_of_a_node_that_never_was_may_be_made() -> None:
    place = make_place(volume_id="", instance_id="")
    assert judge_node(one(VOLUME, "create"), place, LAYOUT, {}) == []


def test_zones_that_are_not_known_refuse_nothing() -> None:
    assert checks(one(INSTANCE, *REPLACE, after={"availability_zone": "eu-west-1z"}), zones={}) == []


def test_rows_that_change_nothing_are_not_acting() -> None:
    read = dataclasses.replace(make_change(GROUP, "update"), mode="data")
    plan = make_plan_data(make_change(INSTANCE, "no-op"), make_change(OTHER, "read"), read, make_change(GROUP, "update"))
    assert [row.address for row in acting(plan)] == [GROUP]


def test_an_instance_that_runs_is_not_destroyed_by_a_step() -> None:
    """Whatever the executor forgot: what runs was not stopped first."""
    place = LAYOUT.nodes[A]
    assert [refusal.check for refusal in judge_alive(one(INSTANCE, *REPLACE), place)] == ["running-instance"]
    assert judge_alive(make_plan_data(make_change(INSTANCE, "update"), make_change(OTHER, *REPLACE)), place) == []


def test_shared_changes_bring_no_node_along() -> None:
    assert judge_shared(one(GROUP, "update"), LAYOUT) == []
    (refusal,) = judge_shared(make_plan_data(make_change(GROUP, "update"), make_change(OTHER, *REPLACE)), LAYOUT)
    assert (refusal.check, refusal.addresses) == ("node-in-shared", (OTHER,))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (make_change(INSTANCE, "create"), []),
        (make_change(GROUP, "update"), []),
        (make_change(INSTANCE, "update"), ["node-exists"]),
        (make_change(INSTANCE, *REPLACE), ["node-exists"]),
        (make_change(VOLUME, "delete"), ["volume-deleted", "node-exists"]),
        (make_change(GROUP, *REPLACE), ["create-destroys"]),
        (make_change("aws_volume_attachment.loose", "delete"), ["create-destroys", "attachment-destroyed"]),
    ],
)
def test_create_makes_and_changes_no_node(change: Change, check: list[str]) -> None:
    assert [refusal.check for refusal in judge_create(make_plan_data(change), LAYOUT)] == check


def test_destroy_only_deletes_volumes_and_all() -> None:
    assert judge_destroy(make_plan_data(make_change(VOLUME, "delete"), make_change(INSTANCE, "delete"))) == []
    (refusal,) = judge_destroy(one(INSTANCE, *REPLACE))
    assert refusal.check == "not-a-delete"


def test_a_refusal_names_every_address_once_and_how_to_mend_it() -> None:
    plan = make_plan_data(make_change(VOLUME, *REPLACE), make_change(OTHER, *REPLACE), make_change(OTHER, "delete", deposed="1"))
    with pytest.raises(PlanRefused) as caught:
        refuse(hard_rules(plan), "block consul")
    message = str(caught.value)
    assert message.startswith("block consul: the plan was refused, nothing of it was applied: [volume-deleted] ")
    assert message.count(OTHER) == 1
    assert "find what forces it" in caught.value.next
    assert "terraform plan -target=ADDRESS" in caught.value.next
    assert "--allow" not in caught.value.next


def test_what_may_be_passed_over_says_how() -> None:
    with pytest.raises(PlanRefused) as caught:
        refuse(judge_node(one(GROUP, "update"), LAYOUT.nodes[A], LAYOUT, {}), "server/a")
    assert '--allow=shared-change --reason "why"' in caught.value.next


def test_a_failed_plan_is_named_without_addresses() -> None:
    """F1."""
    with pytest.raises(PlanRefused, match=r"\[plan-errored\] the plan Terraform says that this plan failed"):
        refuse(hard_rules(make_plan_data(errored=True)), "x")


def test_nothing_refused_is_nothing_raised() -> None:
    refuse([], "x")
