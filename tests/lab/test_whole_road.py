"""The whole road, as people go it: from a Packer template to an image that is built, proven, let out, and rolled out by containers.

The lab's instances are containers that boot; Packer is the real one. Two versions of the block are two container images, and the newer
one runs `test-upgrade` from the older one in its own container, by the very command that `immtf docker-args` prints.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.lab.docker.scope import DIRECTORY, LAB
from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from tests.container.image import immtf_image
from tests.lab.child import Child, environment
from tests.lab.rehearsal import REPOSITORY, RUN_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.rehearsal import Rehearsal

PACKER = REPOSITORY / "packer"
DOCKER = ("--lab-runtime", "docker")
TESTS = ("--tests", str(PACKER / "consul/tests"), "--user-data", str(PACKER / "consul/tests/user-data.yaml"))
LIMIT_S = 900.0


@pytest.fixture
def containers(rehearsal: Rehearsal) -> Iterator[str]:
    """A name for this rehearsal's block images and container, which what a killed run left doesn't have; nothing of either is left."""
    del rehearsal  # whose lab goes after what is removed here
    name = f"immtf-test-road-{uuid.uuid4().hex[:12]}"
    yield name
    docker("rm", "--force", name)
    docker("rmi", "--force", *(f"{name}:{version}" for version in ("1.0.0", "1.1.0")))


@pytest.mark.docker
@pytest.mark.lab(minutes=9)
@pytest.mark.skipif(shutil.which("packer") is None, reason="packer is not on the path; `bash .ci/engine` installs it")
def test_from_a_template_to_a_roll(rehearsal: Rehearsal, containers: str, show: Callable[[str], None]) -> None:
    consul = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready().consul
    package = ("--var", f"consul_package={consul}")
    for version, constraint in (("1.0.0", "~> 1.0.0"), ("1.1.0", "~> 1.1")):
        block_of(rehearsal, version, constraint)
        assert build(rehearsal, "base", "2.0.0") == ("done" if version == "1.0.0" else "nothing_to_do")
        if version == "1.0.0":
            let_base_out(rehearsal, *package)
        assert build(rehearsal, "consul", version, *package) == "done"
        refused = rehearsal.image("promote", version, *DOCKER).expect(20).one("run_halted")
        assert "is not verified" in refused["what"]
        rehearsal.image("verify", version, *TESTS, *DOCKER).expect(0)
        rehearsal.image("promote", version, *DOCKER).expect(0)
        immtf("image", "block", str(rehearsal.block), "--base", immtf_image(), "--tag", f"{containers}:{version}")

    ended = rolled(rehearsal, containers).expect(0)
    last = ended.last
    show(f"{last['duration_s']} s, away {last['away_s']}, longest gap {last['longest_write_gap_s']} s")
    assert "from 1.0.0 to 1.1.0" in [event["message"] for event in ended.of("noted")]
    figures = {"outcome": "done", "nodes_replaced": 3, "volumes_kept": 3, "writes_lost": 0, "exit_code": 0}
    assert figures.items() <= last.items()
    assert last["writes_acknowledged"] > 100
    assert rehearsal.cloud.machines() == [], "the environment is gone, and the lab with the images is there"
    assert len(rehearsal.image("list", *DOCKER).expect(0).one("images_listed")["rows"]) == 2
    rehearsal.close()
    assert not of_lab(rehearsal), "nothing of the lab is left in the engine"


def let_base_out(rehearsal: Rehearsal, *package: str) -> None:
    """Prove the base and let it out; before that nothing is built upon it."""
    arguments = ("build", str(PACKER / "consul"), "--version", "1.0.0", "--allow-dirty", *DOCKER, *package)
    refused = rehearsal.image(*arguments).expect(1).one("run_halted")
    assert "immtf image promote VERSION --family base" in refused["next"]
    place = ("--family", "base", "--lab", *DOCKER)
    rehearsal.say("image", "verify", "2.0.0", "--tests", str(PACKER / "base/tests"), *place).expect(0)
    rehearsal.say("image", "promote", "2.0.0", *place).expect(0)


def block_of(rehearsal: Rehearsal, version: str, constraint: str) -> None:
    """Write the block at a version, which takes Packer's images only: the lab's own trees are left out."""
    shutil.rmtree(rehearsal.copy_block(version) / "lab")
    if version != "1.1.0":
        rehearsal.change("version: 1.1.0", f"version: {version}")
        rehearsal.change('version: "~> 1.1"', f'version: "{constraint}"')


def build(rehearsal: Rehearsal, template: str, version: str, *more: str) -> str:
    """Build an image where it isn't there; return what came of it."""
    arguments = ("build", str(PACKER / template), "--version", version, "--allow-dirty", *DOCKER, *more)
    return str(rehearsal.image(*arguments).expect(0).last["outcome"])


def rolled(rehearsal: Rehearsal, images: str) -> Any:
    """Run the newer block's container on the older one's, as `docker-args` says."""
    words = ("test-upgrade", "--lab", "--lab-name", "default", *DOCKER, "--from", f"image:{images}:1.0.0", "--yes")
    told = immtf(
        "docker-args", "--container", f"{images}:1.1.0", "--baked", "--docker", "--volume", str(rehearsal.home), "--output", "json", *words
    )
    argv = json.loads(told)["argv"]
    argv[2:2] = ["--name", images]
    child = Child(argv, rehearsal.directory, rehearsal.home / "runs", environment(REPOSITORY))
    try:
        return child.ended(RUN_LIMIT_S)
    finally:
        child.kill()


def immtf(*arguments: str) -> str:
    """Run the program on this machine; return what it printed."""
    argv = [sys.executable, "-m", "immtf", *arguments]
    return subprocess.run(argv, env=environment(REPOSITORY), check=True, timeout=LIMIT_S, stdout=subprocess.PIPE, text=True).stdout


def docker(*arguments: str) -> str:
    """Ask the engine; what is not there is no failure."""
    return subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=LIMIT_S).stdout.strip()


def of_lab(rehearsal: Rehearsal) -> list[str]:
    """Return the engine's containers of this rehearsal's labs."""
    rows = docker("ps", "--all", "--filter", f"label={LAB}", "--format", f'{{{{.Names}}}} {{{{.Label "{DIRECTORY}"}}}}').splitlines()
    return [row for row in rows if str(rehearsal.home) in row]
