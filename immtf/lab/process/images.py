"""Images on disk: directory trees, copied in and copied out. An instance's root disk is such a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.guest.boot import BOOT_FILE, BootInvalid, BootPlan, read_boot
from immtf.lab.process.trees import copy_tree, remove_tree
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.lab.guest.home import Home


class Images:
    """All images of a lab."""

    def __init__(self, store: Path) -> None:
        """Keep them in `store`, each under its id."""
        self._store = store
        store.mkdir(parents=True, exist_ok=True)

    def register(self, image_id: str, tree: Path) -> None:
        """Copy a tree in; no such tree, or a boot file that can't be carried out: `RuntimeFailed`."""
        if not tree.is_dir():
            raise RuntimeFailed(f"{tree}: the image's tree isn't there")
        boot_plan(tree)
        self._keep(image_id, tree)

    def remove(self, image_id: str) -> None:
        """Remove an image; absent is good."""
        remove_tree(self._store / image_id)

    def create(self, image_id: str, home: Home) -> None:
        """Copy an instance's root disk in, without what is mounted in it."""
        emptied = [home.guest_path(mount.path) for mount in boot_plan(home.root).mounts]
        self._keep(image_id, home.root, emptied=[place for place in emptied if place.is_symlink()])

    def unpack(self, image_id: str, root: Path) -> None:
        """Make a root disk of an image; unknown: `RuntimeFailed`."""
        if not (self._store / image_id).is_dir():
            raise RuntimeFailed(f"there is no image {image_id}")
        copy_tree(self._store / image_id, root)

    def _keep(self, image_id: str, tree: Path, *, emptied: list[Path] | None = None) -> None:
        if (self._store / image_id).exists():
            raise RuntimeFailed(f"there is an image {image_id} already")
        copy_tree(tree, self._store / image_id, emptied=emptied or ())


def boot_plan(root: Path) -> BootPlan:
    """Read what the image under `root` wants mounted and run."""
    boot = root / BOOT_FILE
    if not boot.exists():
        return BootPlan()
    try:
        return read_boot(boot.read_text(encoding="utf-8"))
    except BootInvalid as error:
        raise RuntimeFailed(f"{boot}: {error}") from None
