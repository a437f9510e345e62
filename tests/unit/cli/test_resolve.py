"""`immtf resolve` as a user calls it, and the lock that it writes as an argument of other commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.cli.catalogue import blocks_at, is_infrastructure
from immtf.errors import ExitCode
from tests.fakes.publishing import commit, git, write_block
from tests.unit.cli.program import environment, immtf_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    place = tmp_path / "infra"
    for version in ("1.0.0", "1.3.0", "2.0.0"):
        write_block(place / "base" / version, f"base {version}")
    write_block(place / "consul/1.1.0", "consul 1.1.0", {"base": "~> 1.0"})
    write_block(place / "service/1.0.0", "service 1.0.0", {"base": "~> 1.0", "consul": ">= 1.0"})
    write_block(place / "service/2.0.0", "service 2.0.0", {"base": "~> 2.0", "consul": ">= 1.0"})
    return place


def resolve(infra: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(infra.parent, **{"PATH": "/usr/local/bin:/usr/bin:/bin", **more})
    return immtf_program("resolve", *arguments, cwd=infra.parent, env=env)


def test_the_newest_that_fit_are_shown_and_locked(infra: Path) -> None:
    done = resolve(infra, "service", "--published", "infra", "--lock", "locks/immtf.lock")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        ["base", "1.3.0"],
        ["consul", "1.1.0"],
        ["service", "1.0.0"],
    ]
    assert "2.0.0 is published, and consul 1.1.0 requires `~> 1.0`" in done.stdout
    lock = infra.parent / "locks/immtf.lock"
    assert json.loads(lock.read_text())["blocks"]["base"]["place"] == "../infra/base/1.3.0"
    assert is_infrastructure(lock)
    assert [(name, block.version) for name, block in blocks_at(lock).items()] == [
        ("base", "1.3.0"),
        ("consul", "1.1.0"),
        ("service", "1.0.0"),
    ]
    first = lock.read_text()
    resolve(infra, "service", "--published", "infra", "--lock", "locks/immtf.lock")
    assert lock.read_text() == first
    drawn = immtf_program("graph", "locks/immtf.lock", cwd=infra.parent)
    assert "consul 1.1.0" in drawn.stdout, drawn.stderr


def test_a_repository_is_locked_by_its_commits_and_unpacked_at_home(infra: Path) -> None:
    git(infra, "init", "--quiet")
    commit(infra)
    for path in ("base/1.0.0", "base/1.3.0", "consul/1.1.0"):
        name, version = path.split("/")
        for old in (infra / name).iterdir():
            if old.name != version:
                git(infra, "rm", "-r", "--quiet", "--cached", str(old))
        commit_id = git(infra, "commit-tree", git(infra, "write-tree").strip(), "-m", path).strip()
        git(infra, "tag", path, commit_id)
        git(infra, "add", "-A")
    done = resolve(infra, "consul", "--published", "git:infra", "--lock", "immtf.lock", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["name"], one["version"], one["digest"][:4]) for one in told["blocks"]] == [
        ("base", "1.3.0", "git:"),
        ("consul", "1.1.0", "git:"),
    ]
    blocks = blocks_at(infra.parent / "immtf.lock", infra.parent / "home")
    assert blocks["base"].directory.is_relative_to(infra.parent / "home/blocks/base")


def test_a_conflict_ends_with_30_and_names_everybody(infra: Path) -> None:
    done = resolve(infra, "service=~> 2.0", "--published", "infra", "--lock", "immtf.lock")
    assert done.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "consul 1.1.0 requires base `~> 1.0` (consul is required by service 2.0.0 with `>= 1.0`)" in done.stderr
    assert "next: ask for service=1.0.0, which fits" in done.stderr
    assert not (infra.parent / "immtf.lock").exists()


def test_what_cannot_be_read_is_told_and_left_out_where_another_version_will_do(infra: Path) -> None:
    (infra / "base/2.0.0/immtf.yaml").write_text("block: base\nversion: banana\n")
    done = resolve(infra, "base", "--published", "infra")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["base", "1.3.0"])
    assert "left out: infra/base/2.0.0/immtf.yaml: line 2: version: `banana` is not a version" in done.stderr
    gone = resolve(infra, "base~>2.0", "--published", "infra")
    assert gone.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "not read: infra/base/2.0.0/immtf.yaml" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["consol", "--published", "infra"], 30, "did you mean `consul`?"),
        (["consul=banana", "--published", "infra"], 2, "`banana` is not a version"),
        (["consul", "--published", "nowhere"], 2, "there is no such directory"),
        (["consul", "--published", "infra/base/1.0.0/main.tf"], 2, "is a file"),
        (["consul"], 2, "--published"),
        (["--published", "infra"], 2, "NAME"),
        (["consul", "--published", "infra", "--lock", "lock.json"], 2, "ends in .lock"),
        (["consul", "--published", "git:infra/nowhere"], 2, "there is no such directory"),
        (["base", "--published", "empty"], 30, "no block in empty"),
    ],
)
def test_bad_input_is_told(infra: Path, arguments: list[str], code: int, told: str) -> None:
    (infra.parent / "empty").mkdir()
    done = resolve(infra, *arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr


def test_a_circle_is_shown_as_the_circle(tmp_path: Path) -> None:
    for name, other in ("ab", "bc", "ca"):
        write_block(tmp_path / "infra" / name, f"{name} 1.0.0", {other: ">= 1"})
    done = resolve(tmp_path / "infra", "a", "--published", "infra")
    assert done.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "a 1.0.0 needs b, b 1.0.0 needs c, c 1.0.0 needs a" in done.stderr


def test_places_come_from_the_environment_too(infra: Path) -> None:
    done = resolve(infra, "base", IMMTF_PUBLISHED="infra/consul\ninfra")
    assert done.stdout.split()[:2] == ["base", "2.0.0"], done.stderr


def test_a_lock_that_is_not_there_is_told_as_one(tmp_path: Path) -> None:
    done = immtf_program("graph", "immtf.lock", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "the lock file can't be read" in done.stderr
