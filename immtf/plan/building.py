"""Whether an image has to be built at all, and under which version.

An image is what its template's digest says: all files that go into it, and the variables that were given. The same family, version and
digest is the same image, whatever the git revision is called, so it is not built again. A version that was built from something
else is never built over: who runs 1.2.0 must not get another 1.2.0. Without a version the same digest is looked for under any, and else
the next free one is taken.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, VersionsUnresolved
from immtf.plan.image import built_at, version_of
from immtf.plan.imaging import AVAILABLE, REVISION_TAG, TEMPLATE_TAG
from immtf.plan.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from immtf.model.imaging import Recipe
    from immtf.plan.image import Image

FIRST = "1.0.0"
MAKING = frozenset({"pending", "transient"})
_NUMBERS = 3


def already(known: Iterable[Image], recipe: Recipe) -> Image | None:
    """Return the image that a recipe would make, where it is there; None where it has to be built.

    Raises `VersionsUnresolved` where the version is taken by something else, `ImmtfError` where it is just being made.
    """
    wanted = Version.parse(recipe.version) if recipe.version else None
    rivals = [image for image in known if image.family == recipe.family and image.state in {AVAILABLE, *MAKING}]
    if wanted is not None:
        rivals = [image for image in rivals if version_of(image) == wanted]
    same = [image for image in rivals if image.tags.get(TEMPLATE_TAG) == recipe.template]
    ready = [image for image in same if image.state == AVAILABLE]
    if ready:
        return max(ready, key=lambda image: (version_of(image) or Version.parse("0"), image.is_promoted, image.is_verified, image.image_id))
    if same:
        raise ImmtfError(
            f"{same[0].image_id} is being made from the same template just now: it is {same[0].state}",
            next="wait for it, then run it again",
        )
    if wanted is not None and rivals:
        taken = rivals[0]
        told = taken.tags.get(TEMPLATE_TAG)
        how = f"from another template ({told[:12]}…)" if told else "from something that no tag tells"
        raise VersionsUnresolved(
            f"version {recipe.version} of `{recipe.family}` is {taken.image_id}, built {how}: a version never changes what it is",
            next=f"build it as the next one: --version {next_version(known, recipe.family)}",
        )
    return None


def next_version(known: Iterable[Image], family: str) -> str:
    """Return the version after the newest of a family: its last number, of three, one higher; 1.0.0 for the first image of all."""
    versions = [version for image in known if image.family == family and (version := version_of(image))]
    if not versions:
        return FIRST
    release = [*max(versions).parsed.release, 0, 0][:_NUMBERS]
    return ".".join(str(number) for number in (*release[:-1], release[-1] + 1))


def template_digest(files: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Return the digest of a template: of each file (path and mode → its own digest), and of the variables that a person gave."""
    total = hashlib.sha256()
    for kind, entries in (("file", files), ("variable", variables)):
        for name, value in sorted(entries.items()):
            total.update(f"{kind}\0{name}\0{value}\0".encode())
    return total.hexdigest()


def described(image: Image) -> str:
    """Say of an image that is there which one it is, when it was built and from what."""
    built = built_at(image)
    when = f", built {built:%Y-%m-%d %H:%M} UTC" if built else ""
    revision = image.tags.get(REVISION_TAG, "")
    return f"{image.image_id} is {image.family} {image.version}{when}{f' from {revision}' if revision else ''}"
