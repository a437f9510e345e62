"""The judge on plans of the real Terraform and the real AWS provider: a module per node, keys and counts, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.model.events import CheckOverridden, Event
from immtf.model.names import NodeId
from immtf.model.snapshot import ChangeKind
from immtf.plan.checks import Overrides
from immtf.plan.judge import Refusal, judge_node, judge_shared
from immtf.plan.layout import lint_layout
from immtf.plan.sort import sort_plan
from immtf.run.gates import Patience
from tests.contract.plan_world import PlanWorld, find_tools, three_clusters
from tests.fakes.clock import FakeCancel, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = find_tools()
pytestmark = [pytest.mark.terraform, pytest.mark.skipif(TOOLS is None, reason="terraform or its AWS provider is not on this machine")]
MODULE, KEYED, COUNTED = NodeId("module", "a"), NodeId("keyed", "a"), NodeId("counted", "0")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanWorld]:
    assert TOOLS is not None
    with three_clusters(tmp_path_factory.mktemp("three"), TOOLS) as world:
        yield world


LATE = """resource "terraform_data" "late" {
  triggers_replace = %s
  lifecycle {
    create_before_destroy = true
  }
}
"""


@pytest.fixture(params=["late.tf", "node/late.tf"])
def late(three: PlanWorld, request: pytest.FixtureRequest) -> Iterator[str]:
    """Add what depends on an instance and is made before it is destroyed: beside the nodes, or in each node's module."""
    uses = {"late.tf": 'aws_instance.keyed["a"].id', "node/late.tf": "aws_instance.this.id"}
    three.write(request.param, LATE % uses[request.param])
    yield request.param
    (three.root / request.param).unlink()


def found(refusals: list[Refusal] | tuple[Refusal, ...]) -> dict[str, set[str]]:
    return {refusal.check: set(refusal.addresses) for refusal in refusals}


def refused(world: PlanWorld, node: NodeId, *targets: str, **variables: object) -> dict[str, set[str]]:
    """Return what the judge of a node's step says of the plan with these targets, or the node's own."""
    layout = world.layout
    data, _ = world.plan(*(targets or layout.nodes[node].targets), **variables)
    return found(judge_node(data, layout.nodes[node], layout, world.zones(node)))


def test_what_is_imported_is_wanted_as_it_is_and_only_counts_are_warned_of(three: PlanWorld) -> None:
    """F38: the lint."""
    parts = sort_plan(three.plan()[0], three.layout)
    assert (parts.nodes, parts.shared, parts.refusals) == ({}, (), ())
    assert [line.split(":")[0] for line in lint_layout(three.layout)] == ["cluster counted"]


def test_a_new_image_replaces_every_node_and_each_step_is_its_own_node_s(three: PlanWorld) -> None:
    """With a node's own targets nothing else comes along, in any of the three layouts."""
    data, layout = three.plan(image=three.images[1])
    parts = sort_plan(data, layout, {node: three.zones(node) for node in layout.nodes})
    assert {change.kind for change in parts.nodes.values()} == {ChangeKind.REPLACE}
    assert (len(parts.nodes), parts.shared, parts.refusals) == (7, (), ())
    for node in (MODULE, KEYED, COUNTED):
        assert refused(three, node, image=three.images[1]) == {}, node


def test_one_attachment_as_target_brings_every_node_along(three: PlanWorld) -> None:
    """F2, and the addresses are named."""
    checks = refused(three, KEYED, 'aws_volume_attachment.keyed["a"]', image=three.images[1])
    assert checks["other-node"] >= {'aws_instance.keyed["b"]'}


def test_a_volume_in_another_zone_is_refused_in_every_layout(three: PlanWorld) -> None:
    """F2: the volume would be made anew, and in the step of another node that is targeted too narrowly as well."""
    data, layout = three.plan(zone="eu-central-1b")
    lost = {'module.node["b"].aws_ebs_volume.data', 'aws_ebs_volume.keyed["b"]', "aws_ebs_volume.counted[1]"}
    assert found(sort_plan(data, layout).refusals)["volume-deleted"] == lost
    narrow = ('aws_instance.keyed["a"]', 'aws_volume_attachment.keyed["a"]')
    assert 'aws_ebs_volume.keyed["b"]' in refused(three, KEYED, *narrow, zone="eu-central-1b")["volume-deleted"]


def test_what_depends_on_an_instance_may_not_turn_its_replacement_round(three: PlanWorld, late: str) -> None:
    """F4: the full plan shows it, before anything is touched.

    Under targets Terraform leaves out what depends on them from outside; and of several keys it was seen to turn round one or all.
    """
    data, layout = three.plan(image=three.images[1])
    turned = found(sort_plan(data, layout).refusals)["create-before-destroy"]
    assert turned & {'aws_instance.keyed["b"]' if late == "late.tf" else 'module.node["b"].aws_instance.this'}
    if late != "late.tf":
        assert refused(three, MODULE, image=three.images[1])["create-before-destroy"] == {'module.node["a"].aws_instance.this'}


def test_an_instance_in_another_subnet_is_refused_before_the_stop(three: PlanWorld) -> None:
    """F23: Terraform doesn't know the new zone yet, so it might be another one."""
    checks = refused(three, MODULE, subnet=three.elsewhere)
    assert checks == {"zone": {'module.node["a"].aws_instance.this'}}


def test_a_disk_that_goes_with_its_instance_is_refused(three: PlanWorld) -> None:
    """F27: the provider deletes it with the instance unless told otherwise."""
    assert refused(three, MODULE, disks=["/dev/xvdg"])["data-disk"] == {'module.node["a"].aws_instance.this'}


@pytest.mark.parametrize(
    ("names", "gone"),
    [(["b", "c"], {"aws_ebs_volume.counted[2]"}), (["a", "c"], {"aws_ebs_volume.counted[2]"}), (["z", "a", "b", "c"], set())],
    ids=["the first one out", "one out of the middle", "one in at the front"],
)
def test_a_count_that_shifts_is_refused(three: PlanWorld, names: list[str], gone: set[str]) -> None:
    """F38: also where no volume is deleted, and each would only be given another node's name."""
    data, layout = three.plan(names=names)
    checks = found(sort_plan(data, layout).refusals)
    assert checks.get("volume-deleted", set()) == gone
    assert "aws_ebs_volume.counted[1]" in checks["rehomed"]
    assert not any(address.startswith(("module.", "aws_instance.keyed")) for addresses in checks.values() for address in addresses)


def test_one_more_at_the_end_of_a_count_is_no_shift(three: PlanWorld) -> None:
    """F38."""
    data, layout = three.plan(names=["a", "b", "c", "z"])
    parts = sort_plan(data, layout)
    assert (parts.refusals, [str(node) for node in parts.nodes]) == ((), ["counted/3"])


def test_a_shared_change_is_a_stage_of_its_own_and_a_named_exception_in_a_node_s_step(three: PlanWorld) -> None:
    """F39."""
    wanted = {"image": three.images[1], "rule": "2"}
    assert refused(three, MODULE, **wanted) == {"shared-change": {"aws_security_group.shared"}}
    layout = three.layout
    data, _ = three.plan("aws_security_group.shared", **wanted)
    assert judge_shared(data, layout) == []
    data, _ = three.plan(*layout.nodes[MODULE].targets, **wanted)
    told: list[Event] = []
    patience = Patience(VirtualClock(), FakeCancel(), told.append, Overrides({"shared-change": "one tag, looked at"}))
    patience.refuse(judge_node(data, layout.nodes[MODULE], layout, three.zones(MODULE)), str(MODULE))
    assert told == [
        CheckOverridden("module/a", "shared-change", "aws_security_group.shared belongs to no node", "one tag, looked at"),
    ]
