"""Images on their way: what one is built from, and what a trial of one is started with.

The life of an image stands in its tags, so that every machine that sees the account knows it: built, `immtf:verified`, `immtf:promoted`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is to be built from.

    `template` is the digest of all that goes into it, `revision` the git commit, `-dirty` where files differ from it. `version` is ""
    where none was given. `variables` are the user's own, for Packer.
    """

    directory: Path
    family: str
    version: str
    template: str
    revision: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What a trial's instance is made from, and where; `tags` are those by which it is found and swept."""

    image_id: str
    subnet_id: str
    zone: str
    tags: Mapping[str, str]
    instance_type: str = "t3.small"
    profile: str = ""
    user_data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRules:
    """How an image is tried: the place and device of its data volume ("" for an image without one), and limits in seconds.

    `boot_s` is for a boot until the instance can be asked, `mount_s` for the image's word on a volume and its mount, `checks_s` for the
    image's own tests. For `calm_s` the image is watched: what it must not do, it must not do a little later either.
    """

    mount: str = ""
    device: str = "/dev/xvdf"
    boot_s: float = 600.0
    mount_s: float = 180.0
    checks_s: float = 300.0
    calm_s: float = 5.0
