"""The AWS provider in directories of this machine, and the CLI configuration that makes Terraform take it from there.

A mirror holds `HOST/hashicorp/aws/VERSION/PLATFORM/` (unpacked) or `HOST/hashicorp/aws/terraform-provider-aws_VERSION_PLATFORM.zip`
(packed); Terraform and OpenTofu each ask for another host. Looked into are the places that Terraform looks into without any
configuration, its plugin cache, and the mirrors of the user's own CLI configuration.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from immtf.lab.toolchain.found import AWS, Found
from immtf.lab.toolchain.pins import AWS_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOSTS = {"terraform": "registry.terraform.io", "tofu": "registry.opentofu.org"}

_MIRROR_IN_CONFIG = re.compile(r"filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*\"([^\"]+)\"", re.DOTALL)


def find_provider(program: str, platform: str, environment: Mapping[str, str], more: tuple[Path, ...] = ()) -> Found:
    """Find the newest provider that will do for `program` (terraform or tofu); `more` are mirrors to look into first."""
    newest = Found(AWS, problem="not in any mirror on this machine")
    unfit = newest
    for mirror, source in [*((path, "cache") for path in more), *_mirrors(environment)]:
        for version in _versions(mirror / HOSTS[program] / "hashicorp" / "aws", platform):
            found = Found(AWS, str(version), mirror, source)
            if not AWS_BOUNDS.admit(version):
                unfit = Found(AWS, str(version), mirror, source, f"version {version} won't do; hashicorp/aws {AWS_BOUNDS} is needed")
            elif not newest.version or version > Version(newest.version):
                newest = found
    return newest if newest.usable else unfit


def cli_config(mirror: Path) -> str:
    """Make the CLI configuration: the AWS provider comes from `mirror`, every other provider as Terraform sees fit."""
    sources = json.dumps([f"{host}/{AWS}" for host in HOSTS.values()])
    return f"""disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path    = {json.dumps(str(mirror))}
    include = {sources}
  }}
  direct {{
    exclude = {sources}
  }}
}}
"""


def _mirrors(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if cache := environment.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(cache), "TF_PLUGIN_CACHE_DIR"
    home = Path(environment.get("HOME") or "/nowhere")
    config = Path(environment.get("TF_CLI_CONFIG_FILE") or home / ".terraformrc")
    for path in _configured(config):
        yield path, str(config)
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    for path in (
        home / ".terraform.d/plugins",
        data / "terraform/plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
    ):
        yield path, str(path)


def _configured(config: Path) -> list[Path]:
    try:
        return [Path(path) for path in _MIRROR_IN_CONFIG.findall(config.read_text())]
    except (OSError, UnicodeDecodeError):
        return []


def _versions(directory: Path, platform: str) -> Iterator[Version]:
    unpacked = (path.parent.name for path in directory.glob(f"*/{platform}") if any(path.glob("terraform-provider-aws*")))
    prefix, suffix = "terraform-provider-aws_", f"_{platform}.zip"
    packed = (path.name.removeprefix(prefix).removesuffix(suffix) for path in directory.glob(f"{prefix}*{suffix}"))
    for text in [*unpacked, *packed]:
        try:
            yield Version(text)
        except InvalidVersion:
            continue
