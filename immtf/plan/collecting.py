"""Which images may go. Everything that somebody could still need is kept, and each image is told with its reason.

Kept are: what runs or could be started (an instance, running or stopped; a launch template; a Terraform state that was shown; an id that a
person names), what is promoted and among the newest versions (at least two: the newest and the one before), and the promoted version
that an image in use could be rolled back to: the one before it, and the one before it with the same format of data. What can't be
ordered by version, or has no readable date, is kept: what isn't known is never taken for old. An image that never came to its
promotion goes when it is older than `candidate_days`; until then somebody may be about to verify it. The newest of a family that promotes
nothing stays: other images are built upon it.

Versions are counted for each architecture by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from immtf.plan.image import built_at, version_of
from immtf.plan.rollback import FORMAT_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from immtf.plan.image import Image
    from immtf.plan.versions import Version

LEAST_KEPT = 2
SETTLED = frozenset({"available", "failed", "error", "invalid"})
_RANKS = ("the newest promoted version", "the version before the newest")


@dataclass(frozen=True, slots=True)
class KeepRules:
    """How many promoted versions are kept (never fewer than two), and for how many days an image that is not promoted."""

    versions: int = 3
    candidate_days: float = 14.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an image, and why."""

    image: Image
    kept: bool
    reason: str


def fates(images: Iterable[Image], uses: Mapping[str, Sequence[str]], rules: KeepRules, now: datetime) -> tuple[Fate, ...]:
    """Return the fate of each image; `uses` says of image ids by what they are used. Newest versions first."""
    known = list(images)
    needed, grounds = _needed(known, uses, rules), _grounds(known)
    found = []
    for image in known:
        reason = _use(image, uses) or needed.get(image.image_id, "") or _doubt(image) or _hope(image, rules, now)
        reason = reason or grounds.get(image.image_id, "")
        found.append(Fate(image, kept=True, reason=reason) if reason else Fate(image, kept=False, reason=_why_not(image)))
    return tuple(sorted(found, key=_order))


def _order(fate: Fate) -> tuple[object, ...]:
    return fate.image.family, _reversed(version_of(fate.image)), fate.image.image_id


def _reversed(version: Version | None) -> tuple[int, ...]:
    return tuple(-number for number in version.parsed.release) if version else (1,)


def _use(image: Image, uses: Mapping[str, Sequence[str]]) -> str:
    by = uses.get(image.image_id, ())
    return f"in use by {', '.join(by)}" if by else ""


def _doubt(image: Image) -> str:
    """Say what isn't known of an image, so that it stays."""
    if image.state not in SETTLED:
        return f"it is {image.state}"
    if image.is_promoted and version_of(image) is None:
        return f"promoted, and its version `{image.version}` can't be ordered"
    return "" if built_at(image) else "when it was built can't be read"


def _hope(image: Image, rules: KeepRules, now: datetime) -> str:
    """Say that an image which is not promoted may still come to it."""
    built = built_at(image)
    if image.is_promoted or built is None or image.state != "available":
        return ""
    age = now - built
    return f"not promoted yet, and younger than {rules.candidate_days:g} days" if age < timedelta(days=rules.candidate_days) else ""


def _why_not(image: Image) -> str:
    if image.is_promoted:
        return "promoted once; newer versions are kept, and nothing needs it"
    return "never promoted, old, and nothing uses it" if image.state == "available" else f"it is {image.state}"


def _needed(known: Sequence[Image], uses: Mapping[str, Sequence[str]], rules: KeepRules) -> dict[str, str]:
    """Return the images that are needed for what they are, each with the first reason."""
    groups: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for image in known:
        groups[(image.family, image.architecture)].append(image)
    found: dict[str, str] = {}
    for group in groups.values():
        for image_id, reason in (*_newest(group, rules), *_ways_back(group, uses)):
            found.setdefault(image_id, reason)
    return found


def _grounds(known: Sequence[Image]) -> dict[str, str]:
    """Return the newest image, by its date as Packer takes it, of each family and architecture that has none promoted."""
    newest: dict[tuple[str, str], tuple[datetime, str]] = {}
    for image in known:
        built = built_at(image)
        if image.state == "available" and built:
            kind = (image.family, image.architecture)
            newest[kind] = max(newest.get(kind, (built, "")), (built, image.image_id))
    promoted = {(image.family, image.architecture) for image in known if _promoted_version(image)}
    return {found[1]: "the newest of a family that promotes nothing" for kind, found in newest.items() if kind not in promoted}


def _newest(group: Sequence[Image], rules: KeepRules) -> Iterator[tuple[str, str]]:
    """Give the newest promoted versions; every image of such a version counts."""
    count = max(rules.versions, LEAST_KEPT)
    ranked = sorted({version for image in group if (version := _promoted_version(image))}, reverse=True)[:count]
    for image in group:
        version = _promoted_version(image)
        if version in ranked:
            rank = ranked.index(version)
            yield image.image_id, _RANKS[rank] if rank < LEAST_KEPT else f"among the {count} newest promoted versions"


def _ways_back(group: Sequence[Image], uses: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Give what each image in use could be rolled back to; all that is promoted where its version can't be read."""
    for used in (image for image in group if uses.get(image.image_id)):
        version = version_of(used)
        if version is None:
            doubt = f"{used.image_id} is in use, and its version `{used.version}` can't be ordered: this may be the one before it"
            yield from ((image.image_id, doubt) for image in group if image.is_promoted)
            continue
        lower = [image for image in group if (other := _promoted_version(image)) and other < version]
        alike = [image for image in lower if _format(image) == _format(used)]
        for below in (lower, alike):
            highest = max((version_of(image) for image in below), default=None, key=lambda item: item.parsed if item else version.parsed)
            for image in below:
                if version_of(image) == highest:
                    yield image.image_id, f"{used.version} is in use, and could be rolled back to it"


def _promoted_version(image: Image) -> Version | None:
    """Return the version of an image that a rollback could take; what isn't available is none."""
    return version_of(image) if image.is_promoted and image.state == "available" else None


def _format(image: Image) -> str:
    return image.tags.get(FORMAT_TAG, "").strip()
