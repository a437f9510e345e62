"""What runtime `docker` needs before a lab is started, so that what is missing is told at once: an engine, and the guest's base image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.docker import media
from immtf.lab.docker.base_image import ensure
from immtf.lab.docker.engine import reach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def prepare(environment: Mapping[str, str], progress: Callable[[str], None]) -> None:
    """See that the engine answers and has the base image, built if it isn't there, of which `progress` is told. Can't be: `LabFailed`."""
    media.wanted(environment)
    client = reach(environment)
    try:
        ensure(client, progress=progress)
    finally:
        client.close()
