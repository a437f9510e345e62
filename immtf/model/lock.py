"""A lock: which version of each block fits with the others, from where, and the digest of its content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.published import Published

FORMAT = 1
SUFFIX = ".lock"


@dataclass(frozen=True)
class Lock:
    """What was asked for, as name and constraint, and what came of it by name. Its versions have digests."""

    asked: Mapping[str, str] = field(default_factory=dict)
    blocks: Mapping[str, Published] = field(default_factory=dict)
