"""What may go: never what somebody could still need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import VersionsUnresolved
from immtf.plan.collecting import KeepRules, fates
from immtf.plan.image import ANY, PROMOTED_TAG, Image, choose, previous
from immtf.plan.rollback import FORMAT_TAG

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = "2026-01-01T00:00:00Z"


def make(version: str, *, promoted: bool = True, built: str = OLD, state: str = "available", fmt: str = "", arch: str = "x86_64") -> Image:
    tags = ({PROMOTED_TAG: "x"} if promoted else {}) | ({FORMAT_TAG: fmt} if fmt else {})
    return Image(f"ami-{version}-{arch}-{promoted}", "consul", version, built, state, arch, tags=tags)


def kept(images: list[Image], uses: dict[str, list[str]] | None = None, rules: KeepRules = KeepRules()) -> dict[str, str]:  # noqa: B008 - frozen
    return {fate.image.image_id: fate.reason for fate in fates(images, uses or {}, rules, NOW) if fate.kept}


def versions(ids: dict[str, str]) -> list[str]:
    return sorted(item.split("-")[1] for item in ids)


def test_the_newest_promoted_versions_stay_each_with_its_reason() -> None:
    images = [make(f"1.{number}.0") for number in range(6)]
    assert sorted(kept(images).values()) == [
        "among the 3 newest promoted versions",
        "the newest promoted version",
        "the version before the newest",
    ]
    assert versions(kept(images)) == ["1.3.0", "1.4.0", "1.5.0"]
    assert versions(kept(images, rules=KeepRules(versions=0))) == ["1.4.0", "1.5.0"], "never fewer than two"
    gone = [fate for fate in fates(images, {}, KeepRules(), NOW) if not fate.kept]
    assert {fate.reason for fate in gone} == {"promoted once; newer versions are kept, and nothing needs it"}


def test_each_architecture_is_counted_by_itself() -> None:
    images = [make(f"1.{number}.0", arch=arch) for number in range(4) for arch in ("x86_64", "arm64")]
    assert len(kept(images, rules=KeepRules(versions=2))) == 4


def test_what_is_in_use_stays_with_what_it_could_go_back_to() -> None:
    images = [make(f"1.{number}.0", fmt="1" if number < 2 else "2") for number in range(9)]
    used = make("1.3.0", fmt="1")
    images[3] = used
    found = kept(images, {used.image_id: ["i-1 (stopped)"]}, KeepRules(versions=2))
    assert found[used.image_id] == "in use by i-1 (stopped)"
    assert versions(found) == ["1.1.0", "1.2.0", "1.3.0", "1.7.0", "1.8.0"]
    assert found[images[1].image_id] == found[images[2].image_id] == "1.3.0 is in use, and could be rolled back to it"


def test_in_use_with_a_version_that_nobody_can_read_keeps_all_that_is_promoted() -> None:
    images = [make(f"1.{number}.0") for number in range(6)]
    odd = replace(make("odd", promoted=False), image_id="ami-odd")
    found = kept([*images, odd], {"ami-odd": ["i-1 (running)"]})
    assert len(found) == 7
    assert "this may be the one before it" in found[images[0].image_id]


def test_what_is_not_known_is_not_taken_for_old() -> None:
    doubtful = [make("1.0.0", state="pending"), make("odd"), make("0.9.0", promoted=False, built="yesterday")]
    newer = [make(f"2.{number}.0") for number in range(3)]
    found = kept([*doubtful, *newer])
    assert found[doubtful[0].image_id] == "it is pending"
    assert "can't be ordered" in found[doubtful[1].image_id]
    assert "can't be read" in found[doubtful[2].image_id]


def test_what_never_came_to_its_promotion_goes_when_it_is_old() -> None:
    young = make("1.0.1", promoted=False, built=f"{NOW - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}")
    old, failed = make("1.0.2", promoted=False), make("1.0.3", promoted=False, state="failed", built=young.created)
    told = {fate.image.image_id: fate for fate in fates([young, old, failed], {}, KeepRules(), NOW)}
    assert told[young.image_id].reason == "not promoted yet, and younger than 14 days"
    assert told[old.image_id].reason == "never promoted, old, and nothing uses it"
    assert told[failed.image_id].reason == "it is failed"
    assert [fate.kept for fate in told.values()] == [False, False, True], "newest version first"


def test_the_newest_of_a_family_that_promotes_nothing_stays_as_others_are_built_upon_it() -> None:
    bases = [make("2.0.0", promoted=False), make("1.0.0", promoted=False, built="2026-02-01T00:00:00Z")]
    assert kept(bases) == {bases[1].image_id: "the newest of a family that promotes nothing"}
    assert list(kept([*bases, make("0.1.0")]).values()) == ["the newest promoted version"]


IMAGES = st.lists(
    st.builds(
        make,
        st.builds("{}.{}.0".format, st.integers(0, 2), st.integers(0, 6)) | st.just("odd"),
        promoted=st.booleans(),
        built=st.sampled_from([OLD, "2026-05-31T00:00:00Z", "?"]),
        state=st.sampled_from(["available", "pending", "failed"]),
        fmt=st.sampled_from(["", "1", "2"]),
        arch=st.sampled_from(["x86_64", "arm64"]),
    ),
    max_size=14,
    unique_by=lambda image: image.image_id,
)


@given(IMAGES, st.data(), st.integers(0, 4))
def test_nothing_goes_that_somebody_could_still_need(images: list[Image], data: st.DataObject, keep: int) -> None:
    used = data.draw(st.sets(st.sampled_from([image.image_id for image in images]))) if images else set()
    found = fates(images, {image_id: ["i-1 (running)"] for image_id in sorted(used)}, KeepRules(versions=keep), NOW)
    gone = [fate.image for fate in found if not fate.kept]
    assert sorted(fate.image.image_id for fate in found) == sorted(image.image_id for image in images)
    assert all(fate.reason for fate in found)
    assert not used & {image.image_id for image in gone}
    left = [image for image in images if image not in gone]
    for arch in ("x86_64", "arm64"):
        _same_choices(
            [image for image in images if image.architecture == arch], [image for image in left if image.architecture == arch], used
        )


def _same_choices(before: list[Image], after: list[Image], used: set[str]) -> None:
    """The newest, the one before it, and the way back from each image in use are what they were."""
    newest = _chosen(before, None)
    assert newest == _chosen(after, None)
    for than in [newest, *(image for image in before if image.image_id in used and image.version != "odd")]:
        if than is not None:
            assert _chosen(before, than.version) == _chosen(after, than.version)


def _chosen(images: list[Image], below: str | None) -> Image | None:
    try:
        return previous(images, "consul", below) if below else choose(images, "consul", ANY)
    except VersionsUnresolved:
        return None
