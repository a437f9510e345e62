"""The guard before a deletion: which environment may be swept at all, and what in it."""

from __future__ import annotations

import pytest

from immtf.cli.environments import new_name
from immtf.model.cloud import Stray
from immtf.plan.sweep import sweep_tags, sweepable

NAME = "t-0123abcd"
TAGS = {"immtf:block": "consul", "immtf:environment": NAME}


def test_only_an_environment_that_immtf_made_up_for_a_test_is_swept() -> None:
    """F43."""
    assert sweep_tags("consul", NAME, is_test=True, generated=True) == TAGS
    assert sweep_tags("consul", new_name(), is_test=True, generated=True)


@pytest.mark.parametrize(
    ("block", "name", "is_test", "generated"),
    [
        ("consul", NAME, False, True),
        ("consul", NAME, True, False),
        ("", NAME, True, True),
        *[
            ("consul", name, True, True)
            for name in ("", "default", "production", "t-", "t-0123abcde", "t-0123ABCD", "t-*", "t-0123abc?", "xt-0123abcd")
        ],
    ],
)
def test_no_other_environment_is(block: str, name: str, is_test: bool, generated: bool) -> None:
    """F43: a name that a person gave might be somebody's production elsewhere."""
    assert sweep_tags(block, name, is_test=is_test, generated=generated) == {}


def test_what_bears_both_tags_is_swept_but_for_what_is_kept() -> None:
    mine, kept = Stray("i-1", "running", {**TAGS, "Name": "a"}), Stray("i-2", "running", TAGS)
    assert sweepable([mine, kept], TAGS, {"i-2"}) == (mine,)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"immtf:block": "consul"},
        {"immtf:environment": NAME},
        {**TAGS, "immtf:block": "etcd"},
        {**TAGS, "immtf:environment": f"{NAME}0"},
        {**TAGS, "immtf:environment": NAME.upper()},
        {"Immtf:Block": "consul", "Immtf:Environment": NAME},
    ],
)
def test_what_bears_other_tags_is_never_swept(tags: dict[str, str]) -> None:
    """F43: whatever the cloud's filter let through."""
    assert sweepable([Stray("i-1", "running", tags)], TAGS) == ()


@pytest.mark.parametrize("tags", [{}, {"immtf:block": "consul"}, {"immtf:environment": NAME}, {**TAGS, "immtf:environment": "*"}])
def test_without_both_tags_to_go_by_nothing_is(tags: dict[str, str]) -> None:
    everything = Stray("i-1", "running", {**TAGS, **tags})
    assert sweepable([everything], tags) == ()
