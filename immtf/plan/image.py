"""The choice of the image: the newest by version that the block's constraint allows.

Neither the date of an image nor the order of its text decides: a 1.0.9 that was built again yesterday is older than 1.1.0, and
1.10.0 is newer than 1.9.0. Only among images of one and the same version the later date wins. What can't be read
(a version, a date) is never taken for new.

Only promoted images are taken (tag `immtf:promoted`): one that was built and not proven, or proven and not let out, is nobody's to roll
out by its version. An image that doesn't fit is never passed over in silence: where none fits, the error says of each why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from immtf.errors import VersionsUnresolved
from immtf.plan.versions import Constraint, Version, VersionInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY = ">= 0"  # every released version
VERIFIED_TAG, PROMOTED_TAG = "immtf:verified", "immtf:promoted"
_UNPROMOTED = "is not promoted"
_SHOWN = 20  # images that an error names, the newest first


@dataclass(frozen=True)
class Image:
    """A machine image, as the cloud tells of it.

    `family` and `version` are its tags `immtf:family` and `immtf:version`, empty where it has none; `created` is an RFC 3339 time.
    `root` is what its root device is on, `ebs` or `instance-store`; `snapshots` are the ids of those that its disks are made from.
    """

    image_id: str
    family: str
    version: str
    created: str
    state: str = "available"
    architecture: str = "x86_64"
    root: str = "ebs"
    tags: Mapping[str, str] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Return whether it was booted and proven."""
        return bool(self.tags.get(VERIFIED_TAG))

    @property
    def is_promoted(self) -> bool:
        """Return whether it may be chosen by its version."""
        return bool(self.tags.get(PROMOTED_TAG))


def choose(
    images: Iterable[Image],
    family: str,
    constraint: str,
    *,
    before: str | None = None,
    architecture: str | None = None,
    promoted: bool = True,
) -> Image:
    """Return the newest available image of `family` whose version satisfies `constraint`, and is below `before` where that is given.

    With `promoted=False` those that are not promoted count too: where an image ran already, nobody has to let it out any more.
    Raises `VersionsUnresolved` where none does, `ConstraintInvalid` or `VersionInvalid` where the question itself can't be read.
    """
    wanted = Constraint.parse(constraint)
    limit = Version.parse(before) if before is not None else None
    known = list(images)
    reasons = {image.image_id: _reason(image, family, wanted, limit, architecture) for image in known}
    if promoted:
        reasons |= {image.image_id: _UNPROMOTED for image in known if not (reasons[image.image_id] or image.is_promoted)}
    fitting = [image for image in known if not reasons[image.image_id]]
    if not fitting:
        raise _unresolved(known, family, wanted, before, reasons)
    return max(fitting, key=_age)


def previous(images: Iterable[Image], family: str, than: str, *, architecture: str | None = None, promoted: bool = True) -> Image:
    """Return the newest available image of `family` below the version `than`: where an upgrade to `than` comes from."""
    return choose(images, family, ANY, before=than, architecture=architecture, promoted=promoted)


def _reason(image: Image, family: str, wanted: Constraint, limit: Version | None, architecture: str | None) -> str:
    """Say why an image doesn't fit; empty if it does."""
    version = version_of(image)
    if image.family != family:
        return f"is of the family `{image.family}`" if image.family else "has no family"
    if version is None:
        return f"its version `{image.version}` can't be read" if image.version else "has no version"
    if image.state != "available":
        return f"is {image.state}"
    if architecture not in {None, image.architecture}:
        return f"is made for {image.architecture}, not for {architecture}"
    return _outside(version, wanted, limit)


def _outside(version: Version, wanted: Constraint, limit: Version | None) -> str:
    """Say why a version is not among those wanted; empty if it is."""
    if limit is not None and version >= limit:
        return f"is not below {limit}"
    if wanted.allows(version):
        return ""
    exact = " (a pre-release has to be named exactly)" if version.is_prerelease else ""
    return f"does not satisfy `{wanted}`{exact}"


def version_of(image: Image) -> Version | None:
    """Return the image's version; None where it has none that can be read."""
    try:
        return Version.parse(image.version)
    except VersionInvalid:
        return None


def _age(image: Image) -> tuple[Version, datetime, str]:
    """Order images: by version, then by date, then by id, so that the choice never hangs on the order of an answer."""
    return version_of(image) or Version.parse("0"), built_at(image) or datetime.min.replace(tzinfo=UTC), image.image_id


def built_at(image: Image) -> datetime | None:
    """Return when the image was made, with its zone; None where the date can't be read."""
    try:
        created = datetime.fromisoformat(image.created)
    except ValueError:
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _unresolved(known: list[Image], family: str, wanted: Constraint, before: str | None, reasons: dict[str, str]) -> VersionsUnresolved:
    """Say what was looked for, what there is, and why none of it fits."""
    below = f" below {before}" if before is not None else ""
    head = f"no image of the family `{family}` satisfies `{wanted}`{below}"
    relatives = [image for image in known if image.family == family] or known
    shown = sorted(relatives, key=_age, reverse=True)
    lines = [f"; {image.image_id} {image.version or '-'}: {reasons[image.image_id]}" for image in shown[:_SHOWN]]
    rest = [f"; and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    fits = "build an image that fits, name another one with --image, or change `image` in immtf.yaml"
    advice = fits if known else "build an image first: there is none at all"
    return VersionsUnresolved(head + "".join(lines + rest), next=_let_out(shown, reasons) or advice)


def _let_out(newest_first: list[Image], reasons: Mapping[str, str]) -> str:
    """Return how the newest image that lacks nothing but its promotion comes to it; "" where there is none."""
    image = next((image for image in newest_first if reasons[image.image_id] == _UNPROMOTED), None)
    if image is None:
        return ""
    what = f"{image.image_id} --family {image.family}`"
    promote = f"`immtf image promote {what} lets {image.version} out"
    return promote if image.is_verified else f"`immtf image verify {what} proves {image.version}, then {promote}"


def called(image_id: str, versions: Mapping[str, str]) -> str:
    """Return what people call an image: its version where that says which one is meant, else version and id, or the id alone."""
    version = versions.get(image_id, "")
    if not version:
        return image_id
    return version if list(versions.values()).count(version) == 1 else f"{version} ({image_id})"
