from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import ExitCode, VersionsUnresolved
from immtf.plan.image import ANY, Image, choose, previous
from immtf.plan.versions import Version


def make_image(
    version: str, image_id: str = "", *, day: int = 1, family: str = "consul", state: str = "available", arch: str = "x86_64"
) -> Image:
    tags = {"immtf:promoted": "2024-02-01T00:00:00Z"}
    return Image(image_id or f"ami-{version}", family, version, f"2024-01-{day:02}T00:00:00.000Z", state, arch, tags=tags)


VERSIONS = st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1, max_size=8, unique=True)


@given(VERSIONS, st.data())
def test_the_newest_is_meant_whatever_the_dates_and_the_order_of_the_answer(numbers: list[tuple[int, ...]], data: st.DataObject) -> None:
    """A fault of the script that this tool replaces: the oldest image was picked where the newest was meant."""
    days = data.draw(st.permutations(range(1, len(numbers) + 1)))
    images = [make_image(".".join(map(str, one)), day=day) for one, day in zip(numbers, days, strict=True)]
    shuffled = data.draw(st.permutations(images))
    assert Version.parse(choose(shuffled, "consul", ANY).version) == Version.parse(".".join(map(str, max(numbers))))


def test_neither_the_date_nor_the_texts_order_decides() -> None:
    images = [make_image("1.9.0", day=3), make_image("1.10.0", day=1), make_image("1.0.9", day=9)]
    assert choose(images, "consul", "~> 1.0").version == "1.10.0"


def test_only_what_is_available_allowed_and_of_the_family_is_taken() -> None:
    fits = make_image("1.1.0")
    others = [
        make_image("1.2.0", state="pending"),
        make_image("2.0.0"),
        make_image("1.5.0", family="etcd"),
        make_image("1.6.0-rc1"),
        make_image("1.4.0", arch="arm64"),
    ]
    assert choose([*others, fits], "consul", "~> 1.1", architecture="x86_64") is fits


def test_the_later_of_two_images_of_one_version_wins() -> None:
    early, late, odd = make_image("1.1.0", "ami-early"), make_image("1.1.0", "ami-late", day=2), make_image("1.1", "ami-x", day=1)
    other = [make_image("1.0.0"), make_image("1.1.0", "ami-p", state="pending"), make_image("bad", "ami-bad")]
    chosen = choose([late, early, odd, *other], "consul", ANY)
    assert chosen is late


def test_a_date_that_cannot_be_read_counts_as_the_oldest() -> None:
    known, unknown = make_image("1.0.0", "ami-a"), replace(make_image("1.0.0", "ami-z"), created="yesterday")
    plain = replace(make_image("1.0.0", "ami-0"), created="2030-01-01T00:00:00")
    assert choose([unknown, known], "consul", ANY) is known
    assert choose([unknown, plain, known], "consul", ANY) is plain


def test_previous_is_the_version_before_and_not_bound_by_the_blocks_constraint() -> None:
    images = [make_image(version) for version in ("1.0.0", "0.9.0", "1.1.0", "1.2.0")]
    assert previous(images, "consul", "1.1.0").version == "1.0.0"
    assert choose(images, "consul", ">= 0", before="1.0").version == "0.9.0"


@given(VERSIONS)
def test_going_back_step_by_step_visits_every_version_once(numbers: list[tuple[int, ...]]) -> None:
    images = [make_image(".".join(map(str, one))) for one in numbers]
    image, visited = choose(images, "consul", ANY), 1
    for _ in range(len(images) - 1):
        image, visited = previous(images, "consul", image.version), visited + 1
    assert visited == len(numbers)
    with pytest.raises(VersionsUnresolved):
        previous(images, "consul", image.version)


def test_where_none_fits_each_is_told_with_its_reason() -> None:
    images = [
        make_image("1.0.0", "ami-1"),
        make_image("1.1.0", "ami-2", state="failed"),
        make_image("1.1.0-rc1", "ami-3"),
        make_image("one", "ami-4"),
        make_image("", "ami-5"),
        make_image("1.3.0", "ami-6", arch="arm64"),
        make_image("1.5.0", "ami-7"),
        make_image("9.0.0", "ami-8", family="etcd"),
    ]
    with pytest.raises(VersionsUnresolved) as caught:
        choose(images, "consul", "~> 1.1", before="1.5.0", architecture="x86_64")
    assert caught.value.what.split("; ") == [
        "no image of the family `consul` satisfies `~> 1.1` below 1.5.0",
        "ami-7 1.5.0: is not below 1.5.0",
        "ami-6 1.3.0: is made for arm64, not for x86_64",
        "ami-2 1.1.0: is failed",
        "ami-3 1.1.0-rc1: does not satisfy `~> 1.1` (a pre-release has to be named exactly)",
        "ami-1 1.0.0: does not satisfy `~> 1.1`",
        "ami-5 -: has no version",
        "ami-4 one: its version `one` can't be read",
    ]
    assert caught.value.exit_code is ExitCode.VERSIONS_UNRESOLVED


def test_an_unknown_family_is_told_with_the_ones_there_are() -> None:
    with pytest.raises(VersionsUnresolved) as caught:
        choose([make_image("1.0.0", family="etcd"), make_image("1.0.0", "ami-x", family="")], "consul", ANY)
    assert "is of the family `etcd`" in caught.value.what
    assert "ami-x 1.0.0: has no family" in caught.value.what


def test_many_images_are_told_shortly_and_none_at_all_too() -> None:
    with pytest.raises(VersionsUnresolved, match="and 10 more"):
        choose([make_image(f"1.{number}") for number in range(30)], "consul", ">= 2")
    with pytest.raises(VersionsUnresolved) as caught:
        choose([], "consul", ANY)
    assert caught.value.next == "build an image first: there is none at all"
