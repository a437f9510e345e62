"""The ports of what makes, tries and keeps images, as Protocols; the same holds for them as for those in `immtf.run.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.imaging import Recipe, TrialOrder
    from immtf.plan.image import Image


class ImageStore(Protocol):
    """This account's images, with the tags that tell how far each has come."""

    def images(self, family: str) -> Sequence[Image]:
        """Return the images of a family; with "" of every family."""

    def image(self, image_id: str) -> Image | None:
        """Return one image, or None where this account doesn't see it."""

    def uses(self) -> Mapping[str, Sequence[str]]:
        """Return by image id what uses it: instances, stopped ones too, and each version of each launch template."""

    def tag(self, image_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an image."""

    def remove(self, image: Image) -> None:
        """Deregister an image, then delete its snapshots. What is gone already is no error."""


class Trial(Protocol):
    """Instances and volumes that are made to be thrown away. They bear the order's tags: by these a `Sweeper` takes them away."""

    def launch(self, order: TrialOrder) -> str:
        """Start one instance; returns its id at once."""

    def console(self, instance_id: str) -> str:
        """Return what an instance wrote to its console, as far as the cloud has it."""

    def make_volume(self, zone: str, tags: Mapping[str, str]) -> str:
        """Make the smallest blank volume; returns its id at once."""

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Attach a volume; returns at once."""


class Builder(Protocol):
    """What makes an image from a template."""

    def build(self, recipe: Recipe, listen: Callable[[str, str], None], interrupted: Callable[[], bool]) -> str:
        """Build and return the image's id; `listen` hears of it: `say` or `message`, and a line. Raises `ImmtfError`, `Interrupted`."""
