"""The use cases `image promote`, `image list` and `image gc`: all that an image's tags and its users decide."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from immtf.app.closing import Outcome
from immtf.app.telling import now
from immtf.errors import ExitCode, UsageError
from immtf.model.events import ImagesListed, Noted
from immtf.plan.collecting import fates
from immtf.plan.image import PROMOTED_TAG, version_of
from immtf.plan.imaging import find, image_row, life, marked, refuse_promotion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from immtf.app.imaging.session import ImageSession
    from immtf.plan.collecting import KeepRules
    from immtf.plan.image import Image

_IMAGE_ID = re.compile(r"\bami-[0-9a-f]{8,17}\b")


def wanted_image(session: ImageSession, wanted: str, family: str) -> tuple[Image, Sequence[Image]]:
    """Return the image that is meant by an id or by a version of the family, and all of its family."""
    if not family and wanted.startswith("ami-"):
        found = session.store.image(wanted)
        family = found.family if found else ""
    if not family:
        what = (
            f"of which family {wanted} is, is not known"
            if not wanted.startswith("ami-")
            else f"{wanted} can't be seen here, or has no family"
        )
        raise UsageError(what, next="say it with --family NAME, or name a block with --block DIR")
    known = session.store.images(family)
    return find(known, wanted, family), known


def promote(session: ImageSession, wanted: str, family: str) -> Outcome:
    """Let a verified image out: from now on it is chosen by its version."""
    image, known = wanted_image(session, wanted, family)
    if image.is_promoted:
        session.tell(Noted("info", f"{image.image_id} ({image.version}) is promoted already: {image.tags[PROMOTED_TAG]}"))
        return Outcome("nothing_to_do")
    refuse_promotion(image, known)
    session.store.tag(image.image_id, marked(PROMOTED_TAG, f"{now():%Y-%m-%dT%H:%M:%SZ}", session.run_id))
    session.tell(
        Noted("info", f"{image.image_id} is promoted: {image.family} {image.version} is what blocks whose constraint allows it take now")
    )
    return Outcome()


def listing(session: ImageSession, family: str) -> Outcome:
    """Show the images of a family, or of all, with how far each has come and what uses it; the newest first."""
    uses = session.store.uses()
    images = sorted(session.store.images(family), key=lambda image: image.image_id)
    rows = [image_row(image, uses) for image in sorted(images, key=_newest_first)]
    session.tell(ImagesListed(tuple(rows)))
    return Outcome()


def collect(session: ImageSession, family: str, rules: KeepRules, shown: Mapping[str, Sequence[str]], *, remove: bool) -> Outcome:
    """Show what would be kept and removed, and why; with `remove` remove it.

    `shown` is what uses images beside what the cloud itself can tell. What uses an image is read once more right before it goes.
    """
    found = fates(session.store.images(family), _both(session.store.uses(), shown), rules, now())
    uses = _both(session.store.uses(), shown)
    rows = [image_row(fate.image, uses, fate="keep" if fate.kept else "remove", why=fate.reason) for fate in found]
    session.tell(ImagesListed(tuple(rows)))
    doomed = [fate.image for fate in found if not fate.kept]
    if not doomed:
        return Outcome("nothing_to_do")
    if not remove:
        session.tell(Noted("info", f"nothing was removed: --yes removes {len(doomed)} of {len(rows)} images, with their snapshots"))
        return Outcome("pending", ExitCode.CHANGES_PENDING)
    for image in doomed:
        _remove(session, image, shown)
    return Outcome()


def _remove(session: ImageSession, image: Image, shown: Mapping[str, Sequence[str]]) -> None:
    """Remove one image, unless it was taken into use or promoted since it was looked at."""
    by = _both(session.store.uses(), shown).get(image.image_id, ())
    present = session.store.image(image.image_id)
    if by or (present is not None and life(present) is not life(image)):
        since = f"in use by {', '.join(by)}" if by else "no longer what it was"
        session.tell(Noted("warning", f"{image.image_id} ({image.version}) is kept: it is {since} by now"))
        return
    session.store.remove(image)
    snapshots = f" and {', '.join(image.snapshots)}" if image.snapshots else ""
    session.tell(Noted("info", f"removed: {image.image_id} ({image.family} {image.version or '-'}){snapshots}"))


def images_in_state(path: Path) -> set[str]:
    """Return every image id that a Terraform state names. Raises `UsageError` where it can't be read as one: unknown is not unused."""
    try:
        text = path.read_text()
        json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"can't be read as a Terraform state: {error}", where=str(path), next="give a file that `terraform state pull` wrote"
        ) from error
    return set(_IMAGE_ID.findall(text))


def shown_uses(states: Iterable[Path], keep: Iterable[str], known: Iterable[Image]) -> dict[str, list[str]]:
    """Return what uses images by what a person showed: Terraform states, and images named by id or version."""
    found: dict[str, list[str]] = {}
    for path in states:
        for image_id in sorted(images_in_state(path)):
            found.setdefault(image_id, []).append(f"the state {path}")
    images = list(known)
    for wanted in keep:
        meant = [image.image_id for image in images if wanted in {image.image_id, image.version}]
        if not meant:
            raise UsageError(f"there is no image {wanted} to keep", where="--keep-image", next="`immtf image list` shows those there")
        for image_id in meant:
            found.setdefault(image_id, []).append("a person, who keeps it")
    return found


def kept_states(home: Path) -> list[Path]:
    """Return the states of the environments that immtf keeps in its home."""
    return sorted({*home.glob("environments/*/terraform.tfstate"), *home.glob("environments/*/*/terraform.tfstate")})


def _both(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {key: [*one.get(key, ()), *other.get(key, ())] for key in {*one, *other}}


def _newest_first(image: Image) -> tuple[object, ...]:
    version = version_of(image)
    return image.family, tuple(-number for number in version.parsed.release) if version else (1,)
