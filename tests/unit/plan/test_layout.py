"""Nodes found in Terraform's addresses: a module per node, or resources with keys."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import PersonNeeded, UsageError
from immtf.model.block import Block, Cluster, VolumeSpec
from immtf.model.names import NodeId
from immtf.plan.layout import lay_out
from tests.fakes.builders import A, B, make_change, make_plan_data, make_state

MODULES = {
    "aws_security_group.server": "sg-1",
    'module.server["a"].aws_instance.this': "i-a",
    'module.server["a"].aws_ebs_volume.data': "vol-a",
    'module.server["a"].aws_volume_attachment.data': "vai-a",
    'module.server["b"].aws_instance.this': "i-b",
    'module.server["b"].aws_ebs_volume.data': "vol-b",
    'module.server["b"].module.dns.aws_route53_record.this': "rec-b",
}
KEYED = {
    "aws_security_group.server": "sg-1",
    'aws_instance.server["a"]': "i-a",
    'aws_ebs_volume.data["a"]': "vol-a",
    'aws_volume_attachment.data["a"]': "vai-a",
    'aws_instance.server["b"]': "i-b",
    'aws_ebs_volume.data["b"]': "vol-b",
    'aws_ebs_volume.other["z"]': "vol-z",
}


def block(nodes: str = "module.server", **volumes: str) -> Block:
    """Return a block with one cluster and these volumes (name to mount point)."""
    specs = {name: VolumeSpec(name, mount) for name, mount in (volumes or {"data": "/data"}).items()}
    here = Path("/b")
    return Block("consul", "1.0.0", here, here, here, clusters={"server": Cluster("server", nodes, (), volumes=specs)})


def test_a_module_per_node() -> None:
    layout = lay_out(block(), make_state(MODULES))
    assert sorted(layout.nodes) == [A, B]
    place = layout.nodes[A]
    assert place.targets == ('module.server["a"]',)
    assert (place.instance, place.instance_id) == ('module.server["a"].aws_instance.this', "i-a")
    assert [(volume.name, volume.mount, volume.volume_id) for volume in place.volumes] == [("data", "/data", "vol-a")]


def test_owners_in_modules() -> None:
    layout = lay_out(block(), make_state(MODULES))
    assert layout.owner('module.server["b"].module.dns.aws_route53_record.this') == B
    assert layout.owner('module.server["b"].aws_eip.new') == B
    assert layout.owner("aws_security_group.server") is None
    assert layout.owner('module.server["bb"].aws_instance.this') is None


def test_keyed_resources_are_targeted_together() -> None:
    """E3b: an attachment alone would bring every node along."""
    layout = lay_out(block("aws_instance.server"), make_state(KEYED))
    assert sorted(layout.nodes) == [A, B]
    assert layout.nodes[A].targets == ('aws_ebs_volume.data["a"]', 'aws_instance.server["a"]', 'aws_volume_attachment.data["a"]')
    assert layout.owner('aws_ebs_volume.other["z"]') is None
    assert layout.owner('aws_volume_attachment.data["a"]') == A


def test_keyed_resources_inside_a_module() -> None:
    rows = {f"module.db.{address}": identity for address, identity in KEYED.items() if "[" in address}
    layout = lay_out(block("module.db.aws_instance.server"), make_state(rows))
    assert layout.nodes[A].instance == 'module.db.aws_instance.server["a"]'
    assert lay_out(block("aws_instance.server"), make_state(rows)).nodes == {}


def test_nested_modules_of_nodes() -> None:
    rows = {f"module.eu.{address}": identity for address, identity in MODULES.items() if address.startswith("module")}
    layout = lay_out(block("module.eu.module.server"), make_state(rows))
    assert layout.nodes[B].targets == ('module.eu.module.server["b"]',)


def test_counted_modules_have_numbers_for_keys() -> None:
    rows = {"module.server[0].aws_instance.this": "i-0", "module.server[0].aws_ebs_volume.data": "vol-0"}
    assert list(lay_out(block(), make_state(rows)).nodes) == [NodeId("server", "0")]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12))
def test_any_key_is_read_back(key: str) -> None:
    module = f"module.server[{json.dumps(key)}]"
    state = make_state({})
    one = make_change('module.server["a"].aws_instance.this', "create")
    change = dataclasses.replace(one, address=f"{module}.aws_instance.this", module=module)
    volume = dataclasses.replace(one, address=f"{module}.aws_ebs_volume.data", module=module, type="aws_ebs_volume", name="data")
    layout = lay_out(block(), state, make_plan_data(change, volume))
    assert list(layout.nodes) == [NodeId("server", key)]
    assert layout.owner(f"{module}.aws_instance.this") == NodeId("server", key)


def test_data_sources_are_nobodys() -> None:
    state = make_state(MODULES)
    read = dataclasses.replace(state.resources[1], mode="data", address='module.server["c"].data.aws_ami.x', module='module.server["c"]')
    assert sorted(lay_out(block(), dataclasses.replace(state, resources=(*state.resources, read))).nodes) == [A, B]


def test_nodes_still_to_be_made_come_from_the_plan() -> None:
    plan = make_plan_data(
        make_change('module.server["c"].aws_instance.this', "create"),
        make_change('module.server["c"].aws_ebs_volume.data', "create"),
        make_change('module.server["d"].aws_instance.this', "no-op"),
    )
    place = lay_out(block(), make_state(MODULES), plan).nodes[NodeId("server", "c")]
    assert (place.instance_id, place.volumes[0].volume_id) == ("", "")
    assert NodeId("server", "d") not in lay_out(block(), make_state(MODULES), plan).nodes


def test_the_state_is_believed_before_the_plan() -> None:
    plan = make_plan_data(make_change('module.server["a"].aws_instance.this', "create"))
    assert lay_out(block(), make_state(MODULES), plan).nodes[A].instance_id == "i-a"


def test_a_half_made_node_is_still_a_node() -> None:
    """F43: the instance of an interrupted create is not there yet, and status and destroy have to work."""
    rows = {address: identity for address, identity in MODULES.items() if address != 'module.server["b"].aws_instance.this'}
    place = lay_out(block(), make_state(rows)).nodes[B]
    assert (place.instance, place.instance_id, place.volumes[0].volume_id) == ("", "", "vol-b")
    again = make_plan_data(make_change('module.server["b"].aws_instance.this', "create"))
    assert lay_out(block(), make_state(rows), again).nodes[B].instance == 'module.server["b"].aws_instance.this'


@pytest.mark.parametrize("extra", [{'module.server["a"].aws_instance.second': "i-2"}, {'module.server["c"].aws_ebs_volume.data': "vol-c"}])
def test_a_node_has_exactly_one_instance(extra: dict[str, str]) -> None:
    with pytest.raises(PersonNeeded, match=r"holds [02] instances"):
        lay_out(block(), make_state({**MODULES, **extra}), make_plan_data())


def test_tainted_and_deposed_are_seen() -> None:
    """F6, F40: a deposed object is no second instance."""
    address = 'module.server["a"].aws_instance.this'
    layout = lay_out(block(), make_state(MODULES, tainted=[address], deposed={'module.server["b"].aws_instance.this': "0a1b"}))
    assert (layout.nodes[A].tainted, layout.nodes[A].deposed) == (True, False)
    assert (layout.nodes[B].tainted, layout.nodes[B].deposed, layout.nodes[B].instance_id) == (False, True, "i-b")


def test_several_volumes_are_matched_by_name() -> None:
    rows = {**MODULES, 'module.server["a"].aws_ebs_volume.wal': "vol-w", 'module.server["b"].aws_ebs_volume.wal': "vol-x"}
    place = lay_out(block(data="/data", wal="/wal"), make_state(rows)).nodes[A]
    assert {volume.name: (volume.mount, volume.volume_id) for volume in place.volumes} == {
        "data": ("/data", "vol-a"),
        "wal": ("/wal", "vol-w"),
    }


def test_a_volume_that_the_file_does_not_name_is_kept_without_a_mount() -> None:
    rows = {**MODULES, 'module.server["a"].aws_ebs_volume.wal': "vol-w"}
    place = lay_out(block(data="/data"), make_state(rows)).nodes[A]
    assert {volume.name: volume.mount for volume in place.volumes} == {"data": "/data", "wal": ""}


def test_one_volume_may_have_any_name() -> None:
    assert lay_out(block(storage="/s"), make_state(MODULES)).nodes[A].volumes[0].name == "storage"


def test_a_volume_that_terraform_does_not_have_is_told() -> None:
    with pytest.raises(UsageError, match="no volume named wal in Terraform; there are: data"):
        lay_out(block(data="/data", wal="/wal"), make_state(MODULES))
    lonely = {'module.server["a"].aws_instance.this': "i-a"}
    with pytest.raises(UsageError, match="there are: none"):
        lay_out(block(), make_state(lonely))
