"""What is there is not built again, and no version is built twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import ImmtfError, VersionsUnresolved
from immtf.model.imaging import Recipe
from immtf.plan.building import already, described, next_version, template_digest
from immtf.plan.image import Image
from immtf.plan.imaging import REVISION_TAG, TEMPLATE_TAG
from immtf.plan.versions import Version

DIGEST = "d" * 64
RECIPE = Recipe(directory=Path("/images/consul"), family="consul", version="1.1.0", template=DIGEST, revision="1a2b3c")
SAME = Image("ami-1", "consul", "1.1.0", "2026-01-02T03:04:05Z", tags={TEMPLATE_TAG: DIGEST, REVISION_TAG: "0f0f0f"})
OTHER = replace(SAME, image_id="ami-2", tags={TEMPLATE_TAG: "e" * 64})


def test_what_is_there_is_not_built_again_whatever_its_revision() -> None:
    assert already([SAME], RECIPE) is SAME
    assert already([SAME, OTHER], RECIPE) is SAME
    assert described(SAME) == "ami-1 is consul 1.1.0, built 2026-01-02 03:04 UTC from 0f0f0f"
    assert described(Image("ami-2", "consul", "1.0.0", "")) == "ami-2 is consul 1.0.0"


def test_without_a_version_the_same_template_is_found_under_any() -> None:
    newer = replace(SAME, image_id="ami-9", version="1.2.0")
    odd = replace(SAME, image_id="ami-0", version="odd")
    assert already([SAME, newer, odd], replace(RECIPE, version="")) is newer
    assert already([OTHER], replace(RECIPE, version="")) is None


def test_what_is_not_there_is_built() -> None:
    lacking = [replace(SAME, family="etcd"), replace(SAME, version="1.0.0"), replace(SAME, state="failed"), replace(OTHER, state="invalid")]
    assert already([], RECIPE) is None
    assert already(lacking, RECIPE) is None


def test_a_version_never_changes_what_it_is() -> None:
    with pytest.raises(
        VersionsUnresolved, match=r"version 1.1.0 of `consul` is ami-2, built from another template \(eeeeeeeeeeee"
    ) as caught:
        already([OTHER], RECIPE)
    assert caught.value.next == "build it as the next one: --version 1.1.1"
    with pytest.raises(VersionsUnresolved, match="from something that no tag tells"):
        already([replace(OTHER, tags={})], RECIPE)


def test_one_that_is_just_being_made_is_waited_for() -> None:
    with pytest.raises(ImmtfError, match="is being made from the same template just now: it is pending"):
        already([replace(SAME, state="pending")], RECIPE)


@pytest.mark.parametrize(
    ("versions", "after"), [([], "1.0.0"), (["odd"], "1.0.0"), (["1.9.0", "1.10.0"], "1.10.1"), (["2"], "2.0.1"), (["1.2.3-rc1"], "1.2.4")]
)
def test_the_next_version_is_free_and_newer(versions: list[str], after: str) -> None:
    assert next_version([replace(SAME, version=version) for version in versions], "consul") == after


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1, max_size=6))
def test_the_next_version_is_above_all(numbers: list[tuple[int, ...]]) -> None:
    known = [replace(SAME, version=".".join(map(str, one))) for one in numbers]
    following = Version.parse(next_version(known, "consul"))
    assert all(Version.parse(image.version) < following for image in known)


def test_the_digest_is_of_files_and_variables_and_of_nothing_else() -> None:
    files, variables = {"a x": "1", "b -": "2"}, {"v": "1"}
    digest = template_digest(files, variables)
    assert digest == template_digest(dict(reversed(files.items())), variables)
    assert len({digest, template_digest(files, {}), template_digest({"a x": "1"}, variables), template_digest({}, {"a x": "1"})}) == 4
