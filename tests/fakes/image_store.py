"""The store's port in memory; strict where EC2 is: an image that isn't there can't be tagged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.plan.image import Image


@dataclass
class FakeImageStore:
    """Satisfies `immtf.run.image_ports.ImageStore`; `removed` are the images and snapshots that were."""

    known: dict[str, Image] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, images: Iterable[Image]) -> FakeImageStore:
        """Return a store with these images."""
        return cls({image.image_id: image for image in images})

    def images(self, family: str) -> Sequence[Image]:
        return [image for image in self.known.values() if image.family and family in {"", image.family}]

    def image(self, image_id: str) -> Image | None:
        return self.known.get(image_id)

    def uses(self) -> Mapping[str, Sequence[str]]:
        return {key: list(value) for key, value in self.used.items()}

    def tag(self, image_id: str, tags: Mapping[str, str]) -> None:
        if image_id not in self.known:
            raise CloudFailed(f"the image {image_id} does not exist", code="InvalidAMIID.NotFound")
        image = self.known[image_id]
        self.known[image_id] = replace(image, tags={**image.tags, **tags})

    def remove(self, image: Image) -> None:
        if self.known.pop(image.image_id, None):
            self.removed += [image.image_id, *image.snapshots]
