"""The life of an image: built → verified → promoted; and what each step refuses.

An image is let out once. What is promoted keeps its version for good: a second image of the same version would change what every block
runs without a line of it changed, so it is refused. An image that failed its verification is removed, unless something hangs on it: one
that is promoted or in use already is left to a person.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from immtf.errors import GateFailed, UsageError, VersionsUnresolved
from immtf.model.rows import ImageRow
from immtf.plan.image import PROMOTED_TAG, VERIFIED_TAG, built_at, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.plan.image import Image

TEMPLATE_TAG, REVISION_TAG = "immtf:template", "immtf:revision"
AVAILABLE = "available"


class Life(Enum):
    """How far an image has come."""

    BUILT = "built"
    VERIFIED = "verified"
    PROMOTED = "promoted"


def life(image: Image) -> Life:
    """Return how far an image has come. One that is promoted was let out, whether it is known who verified it or not."""
    if image.is_promoted:
        return Life.PROMOTED
    return Life.VERIFIED if image.is_verified else Life.BUILT


def find(known: Iterable[Image], wanted: str, family: str) -> Image:
    """Return the image that is meant by an id (`ami-…`) or a version. Raises `VersionsUnresolved` for none, `UsageError` for several."""
    images = [image for image in known if image.image_id == wanted or _is_version(image, wanted)]
    if len(images) == 1:
        return images[0]
    if images:
        ids = ", ".join(f"{image.image_id} ({life(image).value})" for image in sorted(images, key=lambda image: image.image_id))
        raise UsageError(f"{wanted} of the family `{family}` may be any of {ids}", next="name the one that is meant by its id")
    raise VersionsUnresolved(
        f"there is no image {wanted} of the family `{family}`", next=f"`immtf image list --family {family}` shows those there"
    )


def _is_version(image: Image, wanted: str) -> bool:
    return image.version == wanted


def refuse_promotion(image: Image, known: Iterable[Image]) -> None:
    """Refuse to let an image out that is not ready, not proven, or whose version is another image's already."""
    named = f"{image.image_id} --family {image.family}"
    if image.state != AVAILABLE:
        raise GateFailed(
            f"{image.image_id} is {image.state}, and only what is available is let out", next="`immtf image list` shows its state"
        )
    if version_of(image) is None:
        what = f"its version `{image.version}` can't be read" if image.version else "it has no version (tag immtf:version)"
        raise GateFailed(f"{image.image_id} can't be chosen by anybody: {what}", next="build it again with a --version")
    if not image.is_verified:
        what = f"{image.image_id} ({image.version}) is not verified: it has no tag {VERIFIED_TAG}"
        raise GateFailed(what, next=f"`immtf image verify {named}` boots it and proves it")
    same = [other for other in known if other.image_id != image.image_id and other.is_promoted and _collides(image, other)]
    if same:
        what = f"version {image.version} of `{image.family}` is {same[0].image_id} already, and what a version is never changes"
        raise GateFailed(what, next="build it under a version of its own: `immtf image build DIR` finds the next one")


def _collides(image: Image, other: Image) -> bool:
    return (image.family, version_of(image), image.architecture) == (other.family, version_of(other), other.architecture)


def marked(tag: str, at: str, run: str) -> dict[str, str]:
    """Return the tag that says when (UTC) and by which run an image was verified or promoted."""
    return {tag: f"{at} {run}"}


def kept_after_failure(image: Image, used_by: Sequence[str]) -> str:
    """Say why an image that failed its verification is not removed all the same; "" where nothing hangs on it."""
    if image.is_promoted:
        return f"it is promoted ({image.tags[PROMOTED_TAG]}), so others may be about to use it"
    return f"it is in use by {', '.join(used_by)}" if used_by else ""


def image_row(image: Image, uses: Mapping[str, Sequence[str]], *, fate: str = "", why: str = "") -> ImageRow:
    """Return an image as a list shows it; `-` for what isn't there."""
    built = built_at(image)
    return ImageRow(
        family=image.family or "-",
        version=image.version or "-",
        image_id=image.image_id,
        state=image.state,
        built=f"{built:%Y-%m-%d %H:%M}" if built else "-",
        revision=image.tags.get(REVISION_TAG, "-"),
        verified=image.tags.get(VERIFIED_TAG) or "-",
        promoted=image.tags.get(PROMOTED_TAG, "-"),
        used_by=tuple(uses.get(image.image_id, ())),
        fate=fate,
        why=why,
    )
