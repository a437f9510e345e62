"""What a lab's volumes are made of: a loop device each, or a directory each where loop devices can't be had."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from immtf.errors import LabFailed
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOG = logging.getLogger(__name__)
VARIABLE = "IMMTF_LAB_VOLUMES"
AUTO, LOOP, DIRECTORY = "auto", "loop", "directory"


def wanted(environment: Mapping[str, str]) -> str:
    """Read which kind is asked for; a word that is none: `LabFailed`."""
    kind = environment.get(VARIABLE) or AUTO
    if kind not in (AUTO, LOOP, DIRECTORY):
        raise LabFailed(f"no volume is made of {kind}", where=VARIABLE, next=f"set it to {AUTO}, {LOOP} or {DIRECTORY}, or not at all")
    return kind


def choose(kind: str, prove: Callable[[], None]) -> str:
    """Decide between loop devices and directories; `prove` raises `RuntimeFailed` where there are no loop devices, as this does then."""
    if kind == DIRECTORY:
        return DIRECTORY
    try:
        prove()
    except RuntimeFailed as failed:
        if kind == LOOP:
            raise
        LOG.warning("volumes are directories: %s", failed)
        return DIRECTORY
    return LOOP
