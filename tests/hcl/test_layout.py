"""What holds for every module and block, read from the files alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from immtf.cli.catalogue import blocks_at
from tests.hcl.terraform_files import BLOCKS, MODULES, ROOT, SWAP, Part, parts

if TYPE_CHECKING:
    from pathlib import Path

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def test_there_are_modules_and_blocks() -> None:
    assert {path.name for path in MODULES} >= {"node", "slotted-node", "network", "consul"}
    assert [path.name for path in BLOCKS] == ["base", "consul", "service"]
    assert SWAP in MODULES
    assert sorted(blocks_at(ROOT / "blocks")) == ["base", "consul", "service"], "the block for swap is none of this infrastructure"


@each_module
def test_every_module_has_the_same_files(module: Path) -> None:
    for name in ("README.md", "main.tf", "variables.tf", "outputs.tf", "versions.tf"):
        assert (module / name).is_file(), name


@each_module
def test_every_variable_is_described_and_typed_and_every_output_described(module: Path) -> None:
    for part in parts(module):
        if part.kind in ("variable", "output"):
            assert re.search(r'^  description = ".{10,}"$', part.body, re.MULTILINE), part.labels
        if part.kind == "variable":
            assert re.search(r"^  type\s+= \S", part.body, re.MULTILINE), part.labels


@each_module
def test_the_readme_names_every_variable_and_output(module: Path) -> None:
    readme = (module / "README.md").read_text()
    missing = [part.labels[0] for part in parts(module) if part.kind in ("variable", "output") and f"`{part.labels[0]}`" not in readme]
    assert missing == []


@each_module
def test_versions_are_those_that_immtf_stands_for(module: Path) -> None:
    text = (module / "versions.tf").read_text()
    assert 'required_version = ">= 1.4"' in text
    assert 'version = ">= 3.39, < 7.0"' in text


@each_module
def test_nothing_is_placed_by_number_and_no_volume_is_forced(module: Path) -> None:
    """Keys, never positions; never a forced detach; no second instance that wants the volume."""
    for part in parts(module):
        for word in ("count", "force_detach", "create_before_destroy", "prevent_destroy"):
            assert not re.search(rf"^\s+{word}\s*=", part.body, re.MULTILINE), (part.labels, word)


@each_module
def test_no_backend_and_no_provider_are_set(module: Path) -> None:
    assert [part.labels for part in parts(module) if part.kind == "provider" or re.search(r"^\s+backend ", part.body, re.MULTILINE)] == []


@pytest.mark.parametrize("name", ["node", "slotted-node"])
def test_a_data_volume_never_goes_with_its_instance(name: str) -> None:
    """The volume is a resource of its own, and no block device inside the instance."""
    found = {part.labels: part for part in parts(ROOT / "modules" / name) if part.kind == "resource"}
    assert isinstance(found["aws_ebs_volume", "data"], Part)
    assert "ebs_block_device" not in found["aws_instance", "this"].body


def test_an_instance_in_a_slot_refers_to_nothing_of_its_node() -> None:
    """F2: whatever it refers to would come along in the plan that makes it, and of every node."""
    (instance,) = (part for part in parts(ROOT / "modules/slotted-node") if part.labels == ("aws_instance", "this"))
    assert "aws_" not in instance.body
    assert "depends_on" not in instance.body
    assert "private_ip" not in instance.body


def test_the_block_for_swap_is_the_block_consul_but_for_its_nodes_and_what_is_held() -> None:
    """A change of the one that is not made to the other is seen here."""
    plain, swapped = ({(part.kind, *part.labels): part.body for part in parts(path)} for path in (ROOT / "blocks/consul", SWAP))
    assert swapped.keys() - plain.keys() == {("variable", "held")}
    assert plain.keys() - swapped.keys() == {("moved",)}
    other = {key for key in plain.keys() & swapped.keys() if plain[key] != swapped[key]}
    assert other == {("module", "network"), ("module", "server"), ("output", "nodes")}
