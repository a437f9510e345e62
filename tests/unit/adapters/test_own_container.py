"""The container that this process is in, and what another one would see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.docker.own import own_container, refuse_unmounted
from immtf.errors import ContainerFailed

if TYPE_CHECKING:
    from pathlib import Path

ID = "a" * 64
INSIDE = f"800 790 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
OUTSIDE = "25 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"


class Engine:
    """Knows one container."""

    def __init__(self, known: str) -> None:
        self._known = known

    def inspect_container(self, name: str) -> dict[str, Any]:
        from docker.errors import NotFound

        if name != self._known:
            raise NotFound("no such container")
        return {"Id": name, "Mounts": [{"Destination": "/data"}]}


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [(INSIDE, ID, True), (OUTSIDE, ID, False), (INSIDE, "b" * 64, False), (None, ID, False)],
    ids=["inside", "outside", "of another engine", "no such file"],
)
def test_it_is_known_by_its_mounts(tmp_path: Path, text: str | None, known: str, found: bool) -> None:
    file = tmp_path / "mountinfo"
    if text is not None:
        file.write_text(text)
    own = own_container(Engine(known), file)
    assert (own is not None) is found


def test_what_is_in_no_mount_can_not_be_seen() -> None:
    own = {"Mounts": [{"Destination": "/data"}]}
    refuse_unmounted(own, ["/data/home", "/data"])
    with pytest.raises(ContainerFailed, match="no other container can see it") as caught:
        refuse_unmounted(own, ["/data/home", "/database"])
    assert caught.value.where == "/database"
