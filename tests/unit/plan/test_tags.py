from __future__ import annotations

import json

import pytest

from immtf.model.container import BLOCK, DIGEST, REQUIRES, VERSION
from immtf.model.published import Place, Published, Unread
from immtf.plan.tags import labelled, meant, tagged

PLACE = Place("image", "consul-block", "1.2.0")


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("consul/1.2.0", ("consul", "1.2.0")),
        ("consul/v1.2.0", ("consul", "1.2.0")),
        ("blocks/consul/1.2.0", ("consul", "1.2.0")),
        ("consul-1.2.0", ("consul", "1.2.0")),
        ("consul-v1.2.0", ("consul", "1.2.0")),
        ("my-db-2.0.0-rc1", ("my-db", "2.0.0-rc1")),
        ("v1.2.0", ("", "1.2.0")),
        ("1.2.0", ("", "1.2.0")),
        ("nightly", None),
        ("consul/banana", None),
        ("consul-", None),
        ("release-candidate", None),
        ("consul/1.2.0-what", None),
    ],
)
def test_a_tag_tells_block_and_version(tag: str, found: tuple[str, str] | None) -> None:
    assert tagged(tag) == found


def test_the_block_that_a_tag_may_be_of() -> None:
    assert [meant(tag) for tag in ("consul/banana", "x/consul/banana", "consul-banana", "nightly")] == ["consul", "consul", "consul", ""]


def test_labels_tell_a_block() -> None:
    labels = {BLOCK: "consul", VERSION: "1.2.0", REQUIRES: json.dumps({"base": "~> 1.0"})}
    assert labelled(labels, PLACE, "sha256:1") == Published("consul", "1.2.0", {"base": "~> 1.0"}, PLACE, "sha256:1")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({BLOCK: "consul"}, "no label"),
        ({BLOCK: "consul", VERSION: "1.2.0"}, "doesn't tell what it requires"),
        ({BLOCK: "consul", VERSION: "1.2.0", REQUIRES: "{"}, "no JSON"),
        ({BLOCK: "consul", VERSION: "1.2.0", REQUIRES: "[]"}, "no JSON"),
        ({BLOCK: "consul", VERSION: "1.2.0", REQUIRES: '{"base": 1}'}, "no JSON"),
        ({BLOCK: "consul", VERSION: "1.1.0", DIGEST: "x"}, "its tag says version 1.2.0, and its label 1.1.0"),
        ({BLOCK: "consul", VERSION: "banana", DIGEST: "x"}, "its tag says version 1.2.0, and its label banana"),
    ],
    ids=["no version", "unknown needs", "broken", "a list", "a number", "another version", "no version at all"],
)
def test_labels_that_do_not_tell_are_told(labels: dict[str, str], told: str) -> None:
    """Unknown is never taken for none: an image that doesn't tell what it requires is left out with a word."""
    found = labelled(labels, PLACE, "sha256:1")
    assert isinstance(found, Unread)
    assert told in found.what


def test_other_images_are_none_of_ours() -> None:
    assert labelled({}, PLACE, "sha256:1") is None


@pytest.mark.parametrize(("tag", "version"), [("latest", "1.1.0"), ("1.2.0-b7", "1.2.0-b7"), ("1.2.0", "1.2.0+x"), ("web-1.0.0", "1.1.0")])
def test_immtfs_own_builder_needs_no_label_where_nothing_is_required(tag: str, version: str) -> None:
    found = labelled({BLOCK: "consul", VERSION: version, DIGEST: "x"}, Place("image", "consul-block", tag), "sha256:1")
    assert isinstance(found, Published)
    assert (found.requires, found.version) == ({}, version)
