"""The container that this very process runs in: the engine takes paths of its own machine, not of this container.

So where immtf itself is in a container of the same engine, another one that works with it gets this one's mounts and network instead of
paths: `--volumes-from` and `--network container:…`. Everything that it shall see must therefore be in a mount of this one.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from immtf.errors import ContainerFailed

if TYPE_CHECKING:
    from collections.abc import Collection

MOUNTS = Path("/proc/self/mountinfo")
_ID = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)\b")


def own_container(client: Any, mountinfo: Path = MOUNTS) -> dict[str, Any] | None:
    """Return what the engine knows of the container that this process is in; None where it is in none of this engine's."""
    from docker.errors import NotFound

    try:
        found = _ID.search(mountinfo.read_text())
    except OSError:
        return None
    if found is None:
        return None
    try:
        return dict(client.inspect_container(found[1]))
    except NotFound:
        return None


def refuse_unmounted(own: dict[str, Any], paths: Collection[str]) -> None:
    """Raise `ContainerFailed` where one of the paths is in no mount of this container, so that no other one could see it."""
    mounted = [PurePosixPath(mount["Destination"]) for mount in own.get("Mounts", ())]
    for path in paths:
        if not any(PurePosixPath(path).is_relative_to(place) for place in mounted):
            raise ContainerFailed(
                "this is within the container that immtf runs in, where no other container can see it",
                where=path,
                next=f"mount it: docker run --volume {path}:{path} …, or keep it in a place that is mounted (--home)",
            )
