"""What a block requires against what is deployed, and a previous version against the new one, case by case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.model.block import Block, ImageSpec, VolumeSpec
from immtf.model.terraform import SENSITIVE, Resource
from immtf.plan.contracts import any_fits, judge_previous, judge_requires
from immtf.plan.versions import Constraint
from tests.fakes.builders import make_change, make_plan_data
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from immtf.model.terraform import PlanData

HERE = Path("/blocks/consul")
BASE = "data.terraform_remote_state.base"


def consumer(**requires: str) -> Block:
    return Block("consul", "1.1.0", HERE, HERE / "immtf.yaml", HERE, requires=requires)


def remote_state(outputs: Any, *, name: str = "base", defaults: Any = None) -> Resource:
    values = {"backend": "local", "outputs": outputs, "defaults": defaults}
    return Resource(f"data.terraform_remote_state.{name}", "", "terraform_remote_state", name, None, values, "data")


def published(version: Any, *, block: str = "base", name: str = "base") -> Resource:
    return remote_state({"block": {"name": block, "version": version}}, name=name)


def plan_of(*states: Resource) -> PlanData:
    return replace(make_plan_data(), remote_states=states)


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "2.99"])
def test_a_producer_within_the_range_is_taken(version: str) -> None:
    assert judge_requires(consumer(base="~> 2.0"), plan_of(published(version))) == []


def test_what_counts_is_the_name_that_the_producer_publishes_not_the_data_sources() -> None:
    assert judge_requires(consumer(base="~> 2.0"), plan_of(published("2.1.0", name="network"))) == []


def test_a_block_that_requires_nothing_is_asked_nothing() -> None:
    assert judge_requires(consumer(), plan_of(remote_state(None))) == []


def test_what_is_there_now_of_a_producer_that_is_upgraded_before_is_no_evidence() -> None:
    assert judge_requires(consumer(base="~> 2.0"), plan_of(published("1.9.9")), {"base"}, {"base"}) == []


@pytest.mark.parametrize("version", ["1.9.9", "3.0.0", "2.1.0-rc1"])
def test_a_version_outside_the_range_is_refused_with_both_named(version: str) -> None:
    """F46."""
    (refusal,) = judge_requires(consumer(base="~> 2.0"), plan_of(published(version)))
    assert (refusal.check, refusal.addresses) == ("requires-version", (BASE,))
    assert refusal.what == f"is block base {version}, and block consul 1.1.0 requires base ~> 2.0"
    assert refusal.mend == f"deploy a version of base within ~> 2.0 first, or a version of consul that accepts base {version}"


def test_every_block_is_judged_and_every_state_that_tells_of_it() -> None:
    """F46: two states of one name must both do, one of them is the one that is meant."""
    found = plan_of(published("2.1.0"), published("1.0.0", name="other"), published("1.0.0", block="dns", name="dns"))
    refusals = judge_requires(consumer(base="~> 2.0", dns=">= 2", vault="1.0.0"), found)
    assert [(item.check, item.addresses) for item in refusals] == [
        ("requires-version", ("data.terraform_remote_state.other",)),
        ("requires-version", ("data.terraform_remote_state.dns",)),
        ("requires-unknown", ()),
    ]


UNKNOWN: dict[str, tuple[list[Resource], str]] = {
    "no remote state": ([], "it reads no `terraform_remote_state`"),
    "nothing was applied there": ([remote_state({})], "publishes no output `block` with a name"),
    "outputs are null": ([remote_state(None)], "publishes no output `block` with a name"),
    "another output": ([remote_state({"name": "base"})], "publishes no output `block` with a name"),
    "the name alone": ([remote_state({"block": "base"})], "publishes no output `block` with a name"),
    "a name that is none": ([remote_state({"block": {"name": 1, "version": "2.0.0"}})], "publishes no output `block` with a name"),
    "sensitive": ([remote_state({"block": SENSITIVE})], "publishes its output `block` as sensitive"),
    "all sensitive": ([remote_state(SENSITIVE)], "publishes its output `block` as sensitive"),
    "another block": ([published("2.1.0", block="dns")], "(data.terraform_remote_state.base is block dns 2.1.0)"),
    "no version": ([remote_state({"block": {"name": "base"}})], "publishes no version of block base as text"),
    "a number": ([published(2.1)], "publishes no version of block base as text"),
    "a sensitive version": ([published(SENSITIVE)], "is not a version"),
    "a word": ([published("latest")], "publishes block base with a version that is none: `latest` is not a version"),
    "a default": (
        [remote_state({"block": {"name": "base", "version": "2.1.0"}}, defaults={"block": {"name": "base", "version": "2.1.0"}})],
        "has a default for the output `block` of base",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_known_is_refused_with_how_to_publish_it(case: str) -> None:
    """F46: unknown is never taken for healthy."""
    states, what = UNKNOWN[case]
    (refusal,) = judge_requires(consumer(base="~> 2.0"), plan_of(*states))
    assert refusal.check == "requires-unknown"
    assert what in refusal.what
    assert "block consul 1.1.0 requires base ~> 2.0" in refusal.what
    assert 'output "block" { value = { name = "base", version =' in refusal.mend


def test_a_state_that_is_read_in_the_apply_only_tells_nothing() -> None:
    """F46: which state is read hangs on something that is not known yet."""
    later = replace(make_change("terraform_remote_state.base", "read"), address=BASE, mode="data")
    gone = replace(later, actions=("delete",))
    (refusal,) = judge_requires(consumer(base="~> 2.0"), make_plan_data(later, gone))
    assert f"({BASE} can't be read before the apply)" in refusal.what


def test_defaults_of_other_outputs_are_the_consumers_own_affair() -> None:
    told = remote_state({"block": {"name": "base", "version": "2.1.0"}, "zones": []}, defaults={"zones": []})
    assert judge_requires(consumer(base="~> 2.0"), plan_of(told)) == []


@pytest.mark.parametrize(
    ("one", "other", "any_does"),
    [
        ("~> 1.0", "~> 2.0", False),
        ("~> 1.0", ">= 1.5", True),
        ("> 1.2", "< 1.2.1", True),
        ("> 1", "< 1", False),
        ("> 1", "<= 1", False),
        (">= 1", "<= 1", True),
        (">= 1, != 1", "<= 1", False),
        ("!= 1", "!= 2", True),
        ("< 1", "!= 0", True),
        ("~> 1.2.3", ">= 1.3", False),
        ("= 1.2.3-rc1", ">= 1", False),
        ("= 1.2.3-rc1", "1.2.3-rc1", True),
        (">= 1.2.3-rc1", "< 1.2.4", True),
    ],
)
def test_whether_two_ranges_have_a_version_in_common(one: str, other: str, any_does: bool) -> None:
    assert any_fits(Constraint.parse(one), Constraint.parse(other)) is any_does
    assert any_fits(Constraint.parse(other), Constraint.parse(one)) is any_does


def changed(**differs: Any) -> Block:
    """Return the block with its one cluster changed."""
    block = make_block()
    return replace(block, version="1.0.0", clusters={"server": replace(block.clusters["server"], **differs)})


def test_a_previous_version_that_differs_in_what_may_change_is_taken() -> None:
    block = make_block()
    old = replace(changed(gates=(), max_unavailable=2), requires={"base": "~> 1.0", "dns": "~> 1.0"}, image=ImageSpec("ami", "consul-old"))
    assert judge_previous(old, replace(block, requires={"base": "~> 1.5", "vault": "~> 2.0"})) == ()
    assert judge_previous(block, replace(block, image=None)) == ()


DATA = VolumeSpec("data", "/var/lib/consul")
LACKS: dict[str, tuple[Block, str]] = {
    "name": (replace(make_block(), name="etcd"), "the block is named etcd, not consul"),
    "image": (replace(make_block(), image=None), "it takes no image, and 1.1.0 does (`image:`)"),
    "no cluster": (replace(make_block(), clusters={}), "it has no cluster server"),
    "a cluster more": (
        replace(make_block(), clusters={**make_block().clusters, "client": make_block().clusters["server"]}),
        "it has a cluster client",
    ),
    "nodes": (changed(nodes="module.node"), "cluster server has its nodes at module.node, not at module.server"),
    "no volume": (changed(volumes={}), "cluster server has no volume data"),
    "a volume more": (changed(volumes={"data": DATA, "log": VolumeSpec("log", "/var/log")}), "cluster server has a volume log"),
    "mount": (
        changed(volumes={"data": VolumeSpec("data", "/data")}),
        "cluster server mounts its volume data at /data, not at /var/lib/consul: the data would come up elsewhere",
    ),
    "requires": (replace(make_block(), requires={"base": "~> 1.0"}), "no version of block base fits both: it requires ~> 1.0, not ~> 2.0"),
}


@pytest.mark.parametrize("case", LACKS)
def test_what_makes_an_upgrade_impossible_is_said(case: str) -> None:
    """F45."""
    old, what = LACKS[case]
    (difference,) = judge_previous(old, replace(make_block(), requires={"base": "~> 2.0"}))
    assert what in difference


def test_every_difference_is_said_at_once() -> None:
    """F45."""
    old = replace(changed(nodes="module.node", volumes={}), name="etcd", image=None)
    assert len(judge_previous(old, make_block())) == 4


def test_of_a_block_whose_state_was_judged_no_evidence_is_asked_and_none_may_speak_against() -> None:
    """F46: a remote state that is read from somewhere else is evidence all the same."""
    block, unreadable = consumer(base="~> 2.0"), remote_state({"block": {"name": "base"}})
    assert judge_requires(block, plan_of(), {"base"}) == []
    assert judge_requires(block, plan_of(unreadable), {"base"}) == []
    (refusal,) = judge_requires(block, plan_of(published("1.0.0")), {"base"})
    assert refusal.check == "requires-version"
    assert [refusal.check for refusal in judge_requires(block, plan_of(), {"dns"})] == ["requires-unknown"]
