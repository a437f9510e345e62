"""Which image a command rolls out: an id, a version, or the newest that the block's constraint allows.

By version or constraint only promoted images are taken. An id is a person's own word: it is taken as it is, and told as a warning
where it goes past promotion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, UsageError, VersionsUnresolved
from immtf.model.cloud import ImageChoice
from immtf.model.events import Noted
from immtf.plan.image import choose, previous

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.ec2 import Ec2
    from immtf.app.session import Session
    from immtf.model.block import Block


def versions(block: Block, ec2: Ec2) -> dict[str, str]:
    """Return the versions of the block's image family by image id, for people to read."""
    return {image.image_id: image.version for image in ec2.images(block.image.family)} if block.image else {}


def present_architecture(block: Block, ec2: Ec2, tags: Mapping[str, str]) -> str | None:
    """Return the architecture of the block's present instances, which carry these tags; None where they have none, or several."""
    found = {item.architecture for item in ec2.tagged(tags)} - {""} if block.image else set()
    return found.pop() if len(found) == 1 else None


def choose_image(block: Block, ec2: Ec2, wanted: str | None, *, architecture: str | None = None) -> ImageChoice | None:
    """Return the image to roll out; None where the block names none. `wanted` is an id (`ami-…`), a version, or None for the newest.

    With an `architecture` only images made for it are taken; an id is taken as it is, and judged with the plan.
    Raises `VersionsUnresolved` where there is none, `UsageError` where an image is wanted of a block that takes none.
    """
    if block.image is None:
        if wanted:
            raise UsageError("this block takes no image", where=str(block.file), next="add `image:` to it, or leave --image out")
        return None
    if wanted and wanted.startswith("ami-"):
        return _by_id(ec2, wanted)
    constraint = f"= {wanted}" if wanted else block.image.version
    found = choose(ec2.images(block.image.family), block.image.family, constraint, architecture=architecture)
    return ImageChoice(found.image_id, found.version)


def told_choice(session: Session, wanted: str | None, *, block: Block | None = None, architecture: str | None = None) -> ImageChoice | None:
    """Return what `choose_image` does, for the session's block or another version of it, and tell where it is forced past promotion."""
    found = choose_image(block or session.block, session.ec2, wanted, architecture=architecture)
    if found and not found.promoted:
        what = f"{found.image_id} {f'({found.version}) ' if found.version else ''}is not promoted"
        session.tell(Noted("warning", f"{what}: named by its id it is forced past promotion"))
    return found


def any_image(block: Block, ec2: Ec2) -> ImageChoice | None:
    """Return an image for Terraform's variable where nothing will be made from it; a made-up id where there is none any more."""
    try:
        return choose_image(block, ec2, None)
    except ImmtfError:
        return ImageChoice("ami-00000000", "")


def previous_image(block: Block, ec2: Ec2, than: ImageChoice) -> ImageChoice:
    """Return the image that an upgrade to `than` comes from: the newest version below it."""
    if block.image is None or not than.version:
        raise UsageError(
            "there is no previous version of an image without a version", where=str(block.file), next="say it with --from VERSION"
        )
    found = previous(ec2.images(block.image.family), block.image.family, than.version)
    return ImageChoice(found.image_id, found.version)


def _by_id(ec2: Ec2, image_id: str) -> ImageChoice:
    image = ec2.image(image_id)
    if image is None or image.state != "available":
        what = f"image {image_id} is {image.state}" if image else f"image {image_id} can't be seen from this account and region"
        raise VersionsUnresolved(what, next="check the id, the region, and that the image is shared with this account")
    return ImageChoice(image.image_id, image.version, image.is_promoted)
