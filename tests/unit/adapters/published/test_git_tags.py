"""A repository's tags, with real git."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.published import look
from immtf.errors import UsageError
from immtf.model.published import Place
from tests.fakes.publishing import commit, git, write_block

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.adapters.published import Found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "infra"
    place.mkdir()
    git(place, "init", "--quiet")
    return place


def looked(directory: Path, **environment: str) -> Found:
    return look(Place("git", str(directory)), {**os.environ, **environment})


def test_each_way_to_name_a_tag(repository: Path) -> None:
    write_block(repository / "blocks/base", "base 1.0.0")
    write_block(repository / "blocks/consul", "consul 1.0.0", {"base": "~> 1.0"})
    first = commit(repository, "base/1.0.0", "consul-1.0.0", "nightly")
    write_block(repository / "blocks/consul", "consul 1.1.0", {"base": "~> 1.0"})
    second = commit(repository, "consul-v1.1.0")
    git(repository, "tag", "--annotate", "--message", "x", "consul/v1.1.0")
    found = looked(repository)
    assert {(one.name, one.version, one.place.revision, one.place.path, one.digest) for one in found.published} == {
        ("base", "1.0.0", "base/1.0.0", "blocks/base", f"git:{first}"),
        ("consul", "1.0.0", "consul-1.0.0", "blocks/consul", f"git:{first}"),
        ("consul", "1.1.0", "consul-v1.1.0", "blocks/consul", f"git:{second}"),
        ("consul", "1.1.0", "consul/v1.1.0", "blocks/consul", f"git:{second}"),
    }
    assert found.unread == ()
    assert {one.name: one.requires for one in found.published} == {"base": {}, "consul": {"base": "~> 1.0"}}


def test_a_repository_of_one_block_needs_no_name_in_its_tags(repository: Path) -> None:
    write_block(repository, "consul 1.0.0")
    commit(repository, "v1.0.0", "1.0.0")
    found = looked(repository)
    assert [(one.name, one.place.revision, one.place.path) for one in found.published] == [
        ("consul", "1.0.0", "."),
        ("consul", "v1.0.0", "."),
    ]


def test_what_is_below_a_block_is_the_blocks(repository: Path) -> None:
    write_block(repository / "blocks/consul", "consul 1.0.0")
    write_block(repository / "blocks/consul/swap", "consul 1.0.0")
    commit(repository, "consul/1.0.0", "v1.0.0")
    found = looked(repository)
    assert [(one.name, one.place.path) for one in found.published] == [("consul", "blocks/consul")] * 2
    assert found.unread == ()


def test_what_does_not_fit_is_told_and_left_out(repository: Path) -> None:
    """A version in a tag and another one in the file: nobody knows which is meant."""
    write_block(repository / "base", "base 1.0.0")
    write_block(repository / "consul", "consul 1.0.0")
    commit(repository, "base/1.0.0", "base/1.1.0", "v3.0.0", "consul/banana", "web/1.0.0", "banana")
    write_block(repository / "base", "base banana")
    commit(repository, "base/2.0.0")
    write_block(repository / "copy", "consul 1.0.0")
    commit(repository, "consul/1.0.0")
    found = looked(repository)
    assert [(one.name, one.version) for one in found.published] == [("base", "1.0.0")]
    assert {one.where.removeprefix(f"git:{repository} "): one.what for one in found.unread} == {
        "base/1.1.0": "its tag says version 1.1.0, and base/immtf.yaml 1.0.0",
        "v3.0.0": "has more than one block: base, consul; a tag of one is like `consul/1.2.0`",
        "consul/banana": "`consul/banana` names block consul and no version",
        "web/1.0.0": "has no block web",
        "base/2.0.0:base/immtf.yaml": "line 2: version: `banana` is not a version",
        "consul/1.0.0": "has more than one block consul: consul, copy",
    }


def test_tags_of_times_without_blocks_are_none_of_ours(repository: Path) -> None:
    commit(repository, "v0.1.0", "old")
    blob = git(repository, "hash-object", "-w", "--stdin").strip()
    git(repository, "tag", "v0.0.1", blob)
    git(repository, "tag", "thing", blob)
    found = looked(repository)
    assert found.published == ()
    assert [one.where.rpartition(" ")[2] for one in found.unread] == ["v0.0.1"]


def test_without_tags_a_person_hears_of_it(repository: Path) -> None:
    write_block(repository, "consul 1.0.0")
    commit(repository)
    assert "git fetch --tags" in looked(repository).remark
    git(repository, "tag", "nightly")
    assert "none of the 1 tags" in looked(repository).remark


def test_a_hooks_own_repository_is_not_taken_for_it(repository: Path, tmp_path: Path) -> None:
    write_block(repository, "consul 1.0.0")
    commit(repository, "v1.0.0")
    assert len(looked(repository, GIT_DIR=str(tmp_path / "other")).published) == 1


def test_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        looked(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a git repository"):
        looked(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))


def test_a_bare_repository_will_do(repository: Path, tmp_path: Path) -> None:
    write_block(repository, "consul 1.0.0")
    commit(repository, "v1.0.0")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(repository), str(tmp_path / "bare.git")], check=True, timeout=60)
    assert [one.version for one in looked(tmp_path / "bare.git").published] == ["1.0.0"]
