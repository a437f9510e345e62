"""The life of an image, and what each step of it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import GateFailed, UsageError, VersionsUnresolved
from immtf.plan.image import ANY, PROMOTED_TAG, VERIFIED_TAG, Image, choose
from immtf.plan.imaging import REVISION_TAG, Life, find, image_row, kept_after_failure, life, marked, refuse_promotion

BUILT = Image("ami-1", "consul", "1.1.0", "2026-01-02T03:04:05Z", tags={REVISION_TAG: "1a2b3c"})


def with_tags(image: Image, **tags: str) -> Image:
    names = {"verified": VERIFIED_TAG, "promoted": PROMOTED_TAG}
    return replace(image, tags={**image.tags, **{names[name]: value for name, value in tags.items()}})


VERIFIED = with_tags(BUILT, verified="2026-01-03T00:00:00Z r1")
PROMOTED = with_tags(VERIFIED, promoted="2026-01-04T00:00:00Z r2")


def test_an_image_is_built_then_verified_then_promoted() -> None:
    assert [life(image) for image in (BUILT, VERIFIED, PROMOTED)] == [Life.BUILT, Life.VERIFIED, Life.PROMOTED]
    assert life(with_tags(BUILT, promoted="by hand")) is Life.PROMOTED
    refuse_promotion(VERIFIED, [VERIFIED])
    refuse_promotion(VERIFIED, [VERIFIED, replace(PROMOTED, image_id="ami-2", version="1.0.0")])
    refuse_promotion(VERIFIED, [replace(PROMOTED, image_id="ami-2", architecture="arm64")])
    assert marked(VERIFIED_TAG, "2026-01-03T00:00:00Z", "r1") == {VERIFIED_TAG: "2026-01-03T00:00:00Z r1"}


@pytest.mark.parametrize(
    ("image", "why", "then"),
    [
        (BUILT, "is not verified", "`immtf image verify ami-1 --family consul`"),
        (replace(VERIFIED, state="pending"), "is pending", "immtf image list"),
        (replace(VERIFIED, version=""), "it has no version", "--version"),
        (replace(VERIFIED, version="new"), "`new` can't be read", "--version"),
    ],
)
def test_what_is_not_proven_is_not_let_out(image: Image, why: str, then: str) -> None:
    with pytest.raises(GateFailed, match=why) as caught:
        refuse_promotion(image, [image])
    assert then in caught.value.next


def test_a_version_is_let_out_once() -> None:
    with pytest.raises(GateFailed, match=r"version 1.1 of `consul` is ami-1 already"):
        refuse_promotion(replace(VERIFIED, image_id="ami-2", version="1.1"), [PROMOTED])


def test_an_image_is_named_by_its_id_or_its_version() -> None:
    other = replace(BUILT, image_id="ami-2", version="1.2.0")
    assert find([BUILT, other], "1.2.0", "consul") is other
    assert find([BUILT, other], "ami-1", "consul") is BUILT
    with pytest.raises(VersionsUnresolved, match=r"no image 9.9.9 of the family `consul`"):
        find([BUILT], "9.9.9", "consul")
    with pytest.raises(UsageError, match=r"any of ami-1 \(built\), ami-3 \(promoted\)"):
        find([replace(PROMOTED, image_id="ami-3"), BUILT], "1.1.0", "consul")


def test_what_failed_is_kept_where_something_hangs_on_it() -> None:
    assert kept_after_failure(BUILT, ()) == ""
    assert kept_after_failure(BUILT, ["i-1 (stopped)"]) == "it is in use by i-1 (stopped)"
    assert "it is promoted" in kept_after_failure(PROMOTED, ())


def test_a_row_has_a_dash_for_what_is_not_there() -> None:
    row = image_row(PROMOTED, {"ami-1": ["i-1 (running)"]})
    assert (row.built, row.revision, row.used_by) == ("2026-01-02 03:04", "1a2b3c", ("i-1 (running)",))
    empty = image_row(Image("ami-9", "", "", "yesterday"), {}, fate="keep", why="because")
    assert (empty.family, empty.version, empty.built, empty.verified, empty.fate) == ("-", "-", "-", "-", "keep")


def test_only_promoted_images_are_chosen_and_the_way_to_the_others_is_told() -> None:
    newer = replace(BUILT, image_id="ami-2", version="1.2.0")
    assert choose([PROMOTED, newer], "consul", ANY) is PROMOTED
    assert choose([PROMOTED, newer], "consul", ANY, promoted=False) is newer
    with pytest.raises(VersionsUnresolved, match=r"ami-2 1.2.0: is not promoted") as caught:
        choose([PROMOTED, newer], "consul", "= 1.2.0")
    verify, promote = (
        "`immtf image verify ami-2 --family consul` proves 1.2.0",
        "`immtf image promote ami-2 --family consul` lets 1.2.0 out",
    )
    assert caught.value.next == f"{verify}, then {promote}"
    with pytest.raises(VersionsUnresolved) as caught:
        choose([with_tags(newer, verified="x")], "consul", "= 1.2.0")
    assert caught.value.next == promote
