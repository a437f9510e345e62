"""A registry as it is asked: page by page, with the token that anybody gets, and nothing believed that isn't what its digest says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.published.found import look
from immtf.errors import ImmtfError, UsageError
from immtf.model.container import BLOCK, DIGEST, REQUIRES, VERSION
from immtf.model.published import Place
from tests.fakes.registry import Registry, serving

if TYPE_CHECKING:
    from immtf.adapters.published.found import Found

NAME = "team/consul-block"


def labels(version: str) -> dict[str, str]:
    return {BLOCK: "consul", VERSION: version, REQUIRES: '{"base": "~> 1.0"}', DIGEST: "x"}


def looked(registry: Registry, name: str = NAME) -> Found:
    with serving(registry):
        return look(Place("registry", f"{registry.host}/{name}"), {})


@pytest.mark.parametrize(
    "settings", [{}, {"token": True}, {"elsewhere": True}, {"token": True, "elsewhere": True}], ids=["open", "token", "sent", "both"]
)
def test_versions_are_read_by_their_labels(settings: dict[str, Any]) -> None:
    registry = Registry(**settings)
    digests = {version: registry.push(NAME, version, labels(version), index=version == "1.1.0") for version in ("1.0.0", "1.1.0", "1.2.0")}
    registry.tags[NAME]["latest"] = registry.tags[NAME]["1.2.0"]
    registry.push(NAME, "other", {"x": "y"})
    registry.push(NAME, "none", None)
    found = looked(registry)
    assert {one.version: (one.digest, one.place.revision, one.requires) for one in found.published} == {
        version: (digest, version, {"base": "~> 1.0"}) for version, digest in digests.items()
    }
    assert found.unread == ()


def test_an_image_that_does_not_say_what_it_needs_is_told() -> None:
    registry = Registry()
    registry.push(NAME, "1.0.0", {BLOCK: "consul", VERSION: "1.0.0"})
    registry.push(NAME, "2.0.0", labels("1.0.0"))
    registry.manifests["odd"] = ("application/vnd.oci.image.manifest.v1+json", b"{}")
    assert [one.what.partition(":")[0] for one in looked(registry).unread] == [
        "doesn't tell what it requires",
        "its tag says version 2.0.0, and its label 1.0.0",
    ]


def test_what_is_no_image_is_told() -> None:
    registry = Registry()
    registry.push(NAME, "1.0.0", labels("1.0.0"))
    registry.tags[NAME]["1.1.0"] = registry._keep("application/vnd.oci.image.manifest.v1+json", {"layers": []})
    registry.tags[NAME]["1.2.0"] = registry._keep("application/vnd.oci.image.index.v1+json", {"manifests": "x"})
    found = looked(registry)
    assert [one.version for one in found.published] == ["1.0.0"]
    assert [one.what for one in found.unread] == ["is no image that can be read"] * 2


def test_content_that_is_not_what_its_digest_says_is_not_believed() -> None:
    registry = Registry(lying=True)
    registry.push(NAME, "1.0.0", labels("1.0.0"))
    assert [one.what for one in looked(registry).unread] == ["its configuration is not what its digest says"]
    forged = Registry()
    digest = forged.push(NAME, "1.0.0", labels("1.0.0"))
    forged.manifests[digest] = (forged.manifests[digest][0], b"{}")
    with pytest.raises(ImmtfError, match="is not what its digest says"):
        looked(forged)


def test_nothing_there_is_said() -> None:
    registry = Registry()
    registry.push(NAME, "latest", None)
    assert looked(registry).remark.endswith("has a block in it")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"password": True}, "no token without a password"),
        ({"basic": True}, "wants a password"),
        ({"broken": 500}, "answered 500"),
        ({"page": 1, "away": "http://127.0.0.1:9"}, "goes on elsewhere"),
    ],
)
def test_a_registry_that_cannot_be_read_is_told(settings: dict[str, Any], told: str) -> None:
    registry = Registry(**settings)
    registry.push(NAME, "1.0.0", labels("1.0.0"))
    registry.push(NAME, "1.1.0", labels("1.1.0"))
    with pytest.raises(ImmtfError, match=told) as caught:
        looked(registry)
    assert NAME in caught.value.where


def test_a_name_that_the_registry_does_not_have() -> None:
    with pytest.raises(UsageError, match="no such image"):
        looked(Registry())


def test_nobody_there_is_told() -> None:
    registry = Registry()
    with serving(registry):
        host = registry.host
    with pytest.raises(ImmtfError, match="does not answer"):
        look(Place("registry", f"{host}/{NAME}"), {})


@pytest.mark.parametrize("name", ["consul", "/consul", "host/"])
def test_a_name_without_a_host_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="names no host"):
        look(Place("registry", name), {})
