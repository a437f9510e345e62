"""What is on the machine is found where its users put it, and judged by its own answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.process import Captured
from immtf.lab.toolchain import AWS, CONSUL, ETCD, TERRAFORM, Found
from tests.unit.lab.toolchain.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def find(machine: Machine, tool: str, **environment: str) -> Found:
    (found,) = machine.toolchain(environment).find((tool,))
    return found


def test_terraform_is_found_on_path(machine: Machine) -> None:
    path = machine.install("terraform", "1.11.4")
    assert find(machine, TERRAFORM) == Found("terraform", "1.11.4", path, "PATH")


def test_an_old_terraform_is_refused_with_both_versions(machine: Machine) -> None:
    machine.install("terraform", "1.3.9")
    found = find(machine, TERRAFORM)
    assert found.problem == "version 1.3.9 won't do; terraform >= 1.4 is needed"
    assert "IMMTF_TERRAFORM" in found.ways
    assert not found.usable


def test_an_old_terraform_hides_neither_a_newer_one_nor_tofu(machine: Machine) -> None:
    machine.install("terraform", "1.3.9")
    tofu = machine.install("tofu", "1.8.0")
    assert find(machine, TERRAFORM) == Found("tofu", "1.8.0", tofu, "PATH")
    newer = machine.install("terraform", "1.5.0", "other")
    assert find(machine, TERRAFORM) == Found("terraform", "1.5.0", newer, "PATH")


def test_an_old_tofu_alone_is_refused_by_its_own_bound(machine: Machine) -> None:
    machine.install("tofu", "1.6.0-alpha5")
    assert find(machine, TERRAFORM).problem == "version 1.6.0-alpha5 won't do; tofu >= 1.6 is needed"


def test_the_variable_decides_alone(machine: Machine) -> None:
    machine.install("terraform", "1.11.4")
    tofu = machine.install("tofu", "1.8.0", "elsewhere")
    assert find(machine, TERRAFORM, IMMTF_TERRAFORM=str(tofu)) == Found("tofu", "1.8.0", tofu, "IMMTF_TERRAFORM")
    by_name = find(machine, TERRAFORM, IMMTF_TERRAFORM="terraform")
    assert by_name.path == machine.root / "bin/terraform"
    wrong = find(machine, TERRAFORM, IMMTF_TERRAFORM="/no/such/file")
    assert wrong.problem == "IMMTF_TERRAFORM names /no/such/file, which is not a program here"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Captured(1, 0.1, "", "tfenv: no version chosen\n"), "it does not tell its version (exit 1: tfenv: no version chosen)"),
        (Captured(0, 0.1, "Terraform v1.11", ""), "it does not tell its version (exit 0: Terraform v1.11)"),
        (Captured(0, 0.1, '{"terraform_version": "one"}', ""), "its version one can't be read; terraform >= 1.4 is needed"),
    ],
)
def test_what_does_not_tell_its_version_is_not_taken(machine: Machine, answer: Captured, problem: str) -> None:
    machine.answers[str(machine.install("terraform", "1.11.4"))] = answer
    assert find(machine, TERRAFORM).problem == problem


def test_a_program_that_cannot_be_started_is_a_problem_and_no_crash(machine: Machine) -> None:
    machine.answers.pop(str(machine.install("consul", "1.8.7")))
    problem = find(machine, CONSUL).problem
    assert problem is not None
    assert problem.startswith("can't start")


def test_consul_is_found_or_named(machine: Machine) -> None:
    missing = find(machine, CONSUL)
    assert (missing.path, missing.problem) == (None, "not on PATH")
    path = machine.install("consul", "1.20.1")
    assert find(machine, CONSUL) == Found("consul", "1.20.1", path, "PATH")
    assert find(machine, CONSUL, IMMTF_CONSUL=str(path)).source == "IMMTF_CONSUL"


def test_etcd_is_found_and_an_old_one_refused(machine: Machine) -> None:
    assert find(machine, ETCD).problem == "not on PATH"
    path = machine.install("etcd", "3.3.27")
    assert find(machine, ETCD).problem == "version 3.3.27 won't do; etcd >= 3.4 is needed"
    assert find(machine, ETCD).path == path
    assert find(machine, ETCD, IMMTF_ETCD=str(machine.install("etcd", "3.5.9", "other"))).source == "IMMTF_ETCD"


def test_the_newest_provider_that_fits_is_taken(machine: Machine) -> None:
    machine.install("terraform", "1.11.4")
    mirror = machine.mirror("3.39.0")
    machine.mirror("5.100.0")
    machine.mirror("7.1.0")
    assert find(machine, AWS) == Found(AWS, "5.100.0", mirror, str(mirror))


def test_a_provider_that_does_not_fit_is_named(machine: Machine) -> None:
    machine.mirror("2.70.0")
    assert find(machine, AWS).problem == "version 2.70.0 won't do; hashicorp/aws >= 3.39, < 7 is needed"


def test_opentofu_asks_for_another_host(machine: Machine) -> None:
    machine.install("tofu", "1.8.0")
    machine.mirror("5.0.0")
    assert not find(machine, AWS).usable
    machine.mirror("4.0.0", host="registry.opentofu.org")
    assert find(machine, AWS).version == "4.0.0"


def test_the_mirrors_of_the_users_own_configuration_are_looked_into(machine: Machine) -> None:
    mirror = machine.mirror("3.76.1", directory="of my own")
    config = machine.root / "terraformrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    found = find(machine, AWS, TF_CLI_CONFIG_FILE=str(config))
    assert found == Found(AWS, "3.76.1", mirror, str(config))
    assert find(machine, AWS, TF_PLUGIN_CACHE_DIR=str(mirror)).source == "TF_PLUGIN_CACHE_DIR"


def test_packed_mirrors_count_and_odd_names_do_not(machine: Machine) -> None:
    place = machine.root / "home/.terraform.d/plugins/registry.terraform.io/hashicorp/aws"
    place.mkdir(parents=True)
    (place / "terraform-provider-aws_3.40.0_linux_amd64.zip").touch()
    (place / "terraform-provider-aws_next_linux_amd64.zip").touch()
    (place / "terraform-provider-aws_6.0.0_linux_arm64.zip").touch()
    assert find(machine, AWS).version == "3.40.0"


def test_looking_fetches_nothing(machine: Machine) -> None:
    assert [found.usable for found in machine.toolchain().find()] == [False, False, False]
    assert machine.ran == []
    assert not (machine.root / "cache").exists()
