"""`immtf image block` against a real engine, on a base that is not immtf's: what is made, found again, refused and replaced."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.docker import DockerEngine, connect
from immtf.adapters.published import blocks_of, look
from immtf.cli.source import container_source
from immtf.model.lock import Lock
from immtf.model.published import Place
from immtf.plan.config import load_block
from immtf.plan.lockfile import lock_text
from tests.container.image import engine_problem
from tests.unit.cli.program import environment, immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path

BASE = "debian:bookworm-slim"


@pytest.mark.docker
def test_a_block_becomes_an_image_and_is_read_out_of_it(tmp_path: Path) -> None:
    if problem := engine_problem():
        pytest.skip(problem)
    tiny = make_tiny(tmp_path / "tiny")
    tag = f"immtf-test-tiny-{os.getpid()}:1.0.0"
    env = environment(tmp_path, **{name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ})

    def build(*more: str) -> subprocess.CompletedProcess[str]:
        return immtf_program("image", "block", "tiny", "--base", BASE, "--tag", tag, *more, cwd=tmp_path, env=env)

    try:
        made = build()
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith(f"{tag} made: block tiny 1.0.0 on {BASE}, 2 files")
        assert build().stdout.startswith(f"{tag} is there already")
        (tiny / "main.tf").write_text((tiny / "main.tf").read_text() + "# more\n")
        refused = build()
        assert (refused.returncode, "with another block's files" in refused.stderr) == (1, True)
        assert "--force" in refused.stderr
        assert build("--force").stdout.startswith(f"{tag} made")
        with DockerEngine(connect(os.environ)) as engine:
            image = engine.image(tag, progress=lambda _text: None)
            before = container_source(engine, image, load_block(tiny), tmp_path / "out")
        found = look(Place("image", tag.partition(":")[0]), os.environ)
        assert [(one.name, one.version, one.requires, one.digest) for one in found.published] == [("tiny", "1.0.0", {}, image.image_id)]
        lock = tmp_path / "immtf.lock"
        lock.write_text(lock_text(Lock({"tiny": ">= 0"}, {"tiny": found.published[0]})))
        assert (blocks_of(lock, tmp_path / "home")["tiny"].directory / "main.tf").read_text().endswith("# more\n")
        assert image.environment["IMMTF_BLOCK"] == "/block"
        assert (tmp_path / "out/main.tf").read_text().endswith("# more\n")
        assert before.container is not None
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, timeout=60, check=False)


def test_only_printed_it_needs_no_engine(tmp_path: Path) -> None:
    make_tiny(tmp_path / "tiny")
    env = environment(tmp_path, DOCKER_HOST="unix:///nowhere")
    done = immtf_program("image", "block", "tiny", "--print", cwd=tmp_path, env=env)
    assert done.stdout.splitlines()[2:5] == ["FROM immtf:latest", 'COPY [".", "/block"]', 'ENV IMMTF_BLOCK="/block"']
    assert "**/*.tfstate*" in done.stdout.splitlines()[1], "Docker itself would take states along"
    lost = immtf_program("image", "block", "tiny", cwd=tmp_path, env=env)
    assert (lost.returncode, "no container engine answers" in lost.stderr) == (1, True)
    wrong = immtf_program("image", "block", "tiny", "--tag", "No Tag", cwd=tmp_path, env=env)
    assert (wrong.returncode, "tiny-block:1.0.0" in wrong.stderr) == (2, True)
