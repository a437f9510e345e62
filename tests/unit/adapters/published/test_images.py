from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from immtf.adapters.published.images import in_engine
from immtf.errors import ContainerFailed
from immtf.model.container import BLOCK, DIGEST, VERSION
from immtf.model.published import Place

PLACE = Place("image", "consul-block")


@dataclass
class Client:
    """Answers for the one call that is made; anything else fails."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    closed: int = 0

    def images(self, *, name: str) -> list[dict[str, Any]]:
        if self.silent:
            raise OSError("no such socket")
        return [row for row in self.rows if any(tag.rpartition(":")[0].endswith(name) for tag in row["RepoTags"] or [])]

    def close(self) -> None:
        self.closed += 1


def row(number: int, *tags: str, **labels: str) -> dict[str, Any]:
    return {"Id": f"sha256:{number}", "RepoTags": list(tags) or None, "Labels": {**labels, DIGEST: "x"} if labels else None}


def block(version: str) -> dict[str, str]:
    return {BLOCK: "consul", VERSION: version}


def test_images_of_the_name_that_hold_a_block() -> None:
    client = Client(
        [
            row(1, "consul-block:latest", "consul-block:1.1.0", "other/consul-block:9.0.0", **block("1.1.0")),
            row(2, "consul-block:1.0.0", **block("1.0.0")),
            row(3, "other/consul-block:3.0.0", **block("3.0.0")),
            row(4, "consul-block:plain"),
            row(5, "consul-block:4.0.0", **block("4.1.0")),
            row(6, "consul-block:latest", "consul-block:stable", **block("5.0.0")),
        ]
    )
    found = in_engine(PLACE, client)
    assert [(one.version, one.place.revision, one.digest) for one in found.published] == [
        ("1.1.0", "1.1.0", "sha256:1"),
        ("1.0.0", "1.0.0", "sha256:2"),
        ("5.0.0", "latest", "sha256:6"),
    ]
    assert [one.what for one in found.unread] == ["its tag says version 4.0.0, and its label 4.1.0"]
    assert client.closed == 1


def test_nothing_there_is_said() -> None:
    assert "no image consul-block" in in_engine(PLACE, Client()).remark


def test_an_engine_that_does_not_answer_is_an_error_and_no_empty_list() -> None:
    client = Client(silent=True)
    with pytest.raises(ContainerFailed, match="can't be listed"):
        in_engine(PLACE, client)
    assert client.closed == 1
