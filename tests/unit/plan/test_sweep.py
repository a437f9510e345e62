"""The guard before a deletion: which environment may be swept at all, and what in it."""

from __future__ import annotations

import pytest

from immtf.cli.environments import new_name
from immtf.model.cloud import Stray
from immtf.plan.sweep import sweep_tags, sweepable, sweepable_snapshots, whole_tags

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


def test_of_a_whole_test_environment_the_class_stands_for_the_block() -> None:
    """F43: what is left when all its blocks are destroyed may be of any of them."""
    tags = whole_tags(NAME, is_test=True, generated=True)
    assert tags == {"immtf:environment": NAME, "immtf:class": "test"}
    mine = Stray("vpc-1", "there", {**tags, "immtf:block": "base"})
    assert sweepable([mine, Stray("vpc-2", "there", {**tags, "immtf:class": "production"})], tags) == (mine,)
    for differs in ({"is_test": False}, {"generated": False}):
        assert whole_tags(NAME, **{"is_test": True, "generated": True, **differs}) == {}


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


def test_a_snapshot_is_swept_where_a_run_of_immtf_took_it() -> None:
    """F43: one that a person took by hand, with the environment's tags copied, is theirs."""
    taken, by_hand = Stray("snap-1", "completed", {**TAGS, "immtf:run": "r1"}), Stray("snap-2", "completed", TAGS)
    other = Stray("snap-3", "completed", {**TAGS, "immtf:run": "r1", "immtf:environment": "production"})
    assert sweepable_snapshots([taken, by_hand, other], TAGS) == (taken,)


@pytest.mark.parametrize("tags", [{}, {"immtf:block": "consul"}, {"immtf:environment": NAME}, {**TAGS, "immtf:environment": "*"}])
def test_without_both_tags_to_go_by_nothing_is(tags: dict[str, str]) -> None:
    everything = Stray("i-1", "running", {**TAGS, **tags})
    assert sweepable([everything], tags) == ()
