"""`immtf docker-args` on this machine: what it finds of the block, of files and of Docker, and what it prints where."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests.unit.cli.program import environment, immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path


def argv(*arguments: str, cwd: Path, **more: str) -> list[str]:
    done = immtf_program("docker-args", "--output", "json", *arguments, cwd=cwd, env=environment(cwd, **more))
    assert (done.returncode, done.stderr) == (0, "")
    return list(json.loads(done.stdout)["argv"])


def test_the_block_is_mounted_with_all_of_its_repository(tmp_path: Path) -> None:
    repository = tmp_path / "infra"
    (repository / ".git").mkdir(parents=True)
    block = make_tiny(repository / "blocks" / "tiny")
    words = argv("upgrade", "--yes", cwd=block)
    assert f"{repository.resolve()}:/block" in words
    assert "--workdir=/block/blocks/tiny" in words
    assert words[-3:] == ["immtf", "upgrade", "--yes"]
    assert f"{os.getuid()}:{os.getgid()}" in words
    assert argv("--block", str(block), cwd=tmp_path)[-2:] == ["immtf", "plan"]


def test_a_directory_without_a_block_is_mounted_as_it_is(tmp_path: Path) -> None:
    assert f"{tmp_path.resolve()}:/block" in argv("doctor", cwd=tmp_path)


def test_options_after_the_command_are_the_command_s(tmp_path: Path) -> None:
    words = argv("--container", "x:1", "--baked", "plan", "--output", "json", "--container", "y", cwd=tmp_path)
    assert words[-6:] == ["x:1", "plan", "--output", "json", "--container", "y"]
    assert not any(word.endswith(":/block") for word in words)


def test_files_that_are_there_are_mounted(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / "token").touch()
    words = argv(cwd=tmp_path, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), IMMTF_VOLUME="kept")
    assert f"{tmp_path}/.aws:/home/immtf/.aws:ro" in words
    assert f"{tmp_path}/token:/run/outside/aws-token:ro" in words
    assert "kept:/home/immtf" in words


def test_the_engine_s_socket_and_its_group(tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"
    socket.touch()
    words = argv("--docker", "lab", "up", cwd=tmp_path, DOCKER_HOST=f"unix://{socket}")
    assert f"{socket}:/var/run/docker.sock" in words
    assert f"--group-add={socket.stat().st_gid}" in words
    assert f"{tmp_path}/.immtf:{tmp_path}/.immtf" in words
    gone = argv("--docker", "lab", "up", cwd=tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert not any(word.startswith("--group-add") for word in gone)


def test_the_command_is_data_and_the_notes_are_not(tmp_path: Path) -> None:
    done = immtf_program("docker-args", "--volume", "./kept", "plan", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "docker run --rm \\"
    assert "note: no credentials are set" in done.stderr
    assert "mkdir -p" in done.stderr
    lines = immtf_program("docker-args", "--output", "lines", cwd=tmp_path)
    assert len(lines.stdout.splitlines()) == 1


def test_a_mistake_in_the_block_is_told(tmp_path: Path) -> None:
    make_tiny(tmp_path / "tiny", file="blok: tiny\n")
    done = immtf_program("docker-args", "--block", "tiny", cwd=tmp_path)
    assert (done.returncode, "blok" in done.stderr) == (2, True)


def test_inside_the_container_nothing_of_its_own_is_taken_for_the_machine_s(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    done = immtf_program("docker-args", "upgrade", cwd=tmp_path, env=environment(tmp_path, IMMTF_INSIDE="container"))
    assert '--volume "$PWD:/block"' in done.stdout
    assert str(tmp_path) not in done.stdout
