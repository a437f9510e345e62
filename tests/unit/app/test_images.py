"""Which image is rolled out: the newest by version, never by date; and why not, where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.app.images import choose_image, present_architecture, previous_image, versions
from immtf.errors import ExitCode, UsageError, VersionsUnresolved
from immtf.model.block import ImageSpec
from immtf.model.cloud import ImageChoice
from immtf.plan.image import Image
from tests.fakes.builders import make_instance
from tests.fakes.session import LET_OUT, FakeImages
from tests.fakes.world import make_block

BLOCK = replace(make_block(), image=ImageSpec("image_id", "consul", "~> 1.0"))
KNOWN = FakeImages(
    (
        Image("ami-9", "consul", "1.9.0", "2026-03-01T00:00:00Z", tags=LET_OUT),
        Image("ami-10", "consul", "1.10.0", "2026-01-01T00:00:00Z", tags=LET_OUT),
        Image("ami-2", "consul", "2.0.0", "2026-04-01T00:00:00Z", tags=LET_OUT),
        Image("ami-bad", "consul", "1.11.0", "2026-05-01T00:00:00Z", state="pending", tags=LET_OUT),
        Image("ami-none", "", "", "2026-05-01T00:00:00Z"),
        Image("ami-other", "kafka", "1.99.0", "2026-05-01T00:00:00Z"),
    )
)


def test_the_newest_version_is_taken_that_the_constraint_allows() -> None:
    """The 2016 script took the oldest one where the newest was meant."""
    assert choose_image(BLOCK, KNOWN, None) == ImageChoice("ami-10", "1.10.0")  # type: ignore[arg-type]  # a stand-in


def test_a_version_is_named_and_may_be_outside_the_constraint() -> None:
    assert choose_image(BLOCK, KNOWN, "2.0.0") == ImageChoice("ami-2", "2.0.0")  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(("image_id", "version"), [("ami-9", "1.9.0"), ("ami-none", "")])
def test_an_id_is_named(image_id: str, version: str) -> None:
    assert choose_image(BLOCK, KNOWN, image_id) == ImageChoice(image_id, version, bool(version))  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("ami-404", "can't be seen"), ("ami-bad", "is pending"), ("3.0.0", "satisfies `= 3.0.0`"), ("1.11.0", "ami-bad 1.11.0: is pending")],
)
def test_an_image_that_is_not_there_is_not_replaced_by_another(wanted: str, told: str) -> None:
    with pytest.raises(VersionsUnresolved, match=told) as caught:
        choose_image(BLOCK, KNOWN, wanted)  # type: ignore[arg-type]  # a stand-in
    assert caught.value.exit_code is ExitCode.VERSIONS_UNRESOLVED
    assert caught.value.next


def test_a_block_without_an_image() -> None:
    plain = replace(BLOCK, image=None)
    assert choose_image(plain, KNOWN, None) is None  # type: ignore[arg-type]  # a stand-in
    assert versions(plain, KNOWN) == {}  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(UsageError, match="takes no image"):
        choose_image(plain, KNOWN, "1.9.0")  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(UsageError, match="no previous version"):
        previous_image(plain, KNOWN, ImageChoice("ami-9", "1.9.0"))  # type: ignore[arg-type]  # a stand-in


def test_the_previous_one_is_the_newest_below() -> None:
    assert previous_image(BLOCK, KNOWN, ImageChoice("ami-10", "1.10.0")) == ImageChoice("ami-9", "1.9.0")  # type: ignore[arg-type]  # a stand-in
    assert previous_image(BLOCK, KNOWN, ImageChoice("ami-2", "2.0.0")) == ImageChoice("ami-10", "1.10.0")  # type: ignore[arg-type]  # a stand-in


def test_no_previous_one() -> None:
    with pytest.raises(VersionsUnresolved, match=r"below 1\.9\.0"):
        previous_image(BLOCK, KNOWN, ImageChoice("ami-9", "1.9.0"))  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(UsageError, match="without a version") as caught:
        previous_image(BLOCK, KNOWN, ImageChoice("ami-none", ""))  # type: ignore[arg-type]  # a stand-in
    assert "--from VERSION" in caught.value.next


def test_the_names_of_images_are_those_of_the_family() -> None:
    assert versions(BLOCK, KNOWN) == {"ami-9": "1.9.0", "ami-10": "1.10.0", "ami-2": "2.0.0", "ami-bad": "1.11.0"}  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(("runs", "found"), [((), None), (("x86_64",), "x86_64"), (("x86_64", ""), "x86_64"), (("x86_64", "arm64"), None)])
def test_the_architecture_is_that_of_the_instances_where_they_agree(runs: tuple[str, ...], found: str | None) -> None:
    """F26."""
    there = tuple(replace(make_instance(), architecture=word) for word in runs)
    assert present_architecture(BLOCK, FakeImages(there=there), {"immtf:block": "consul"}) == found  # type: ignore[arg-type]  # a stand-in
    plain = replace(BLOCK, image=None)
    assert present_architecture(plain, FakeImages(there=there), {"immtf:block": "consul"}) is None  # type: ignore[arg-type]  # a stand-in
