"""immtf's own image for tests: built once for what it is made of, and shared by every worker and every run.

The tag carries the digest of the files that the build sees (`.dockerignore` is an allow list; this reads the same files), so that an
unchanged tree builds nothing. Who builds holds a lock on a file; others wait for it and then find the image there. Images of a day ago
that nothing uses are pruned before a build, by this module's own label.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEN = ("Dockerfile", "README.md", "LICENSE", "pyproject.toml", "requirements-build.lock", "requirements-run.lock", "immtf")
NAME = "immtf-test"
LABEL = "immtf.test=image"
BUILD_LIMIT_S = 1500.0
ENGINE_LIMIT_S = 120.0


def immtf_image(target: str = "immtf") -> str:
    """Return the tag of immtf's image, built from this tree where it isn't there; `target` is a stage of the Dockerfile.

    Fails the test with the end of the build's output where it can't be built.
    """
    tag = f"{NAME}:{content()[:12]}" + ("" if target == "immtf" else f"-{target}")
    with (Path(tempfile.gettempdir()) / f"{NAME}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever holds it builds, within BUILD_LIMIT_S
        if _docker("image", "inspect", tag).returncode != 0:
            _build(tag, target)
    return tag


def content() -> str:
    """Return a digest of all that the image is made of."""
    found = hashlib.sha256()
    for path in sorted(path for name in SEEN for path in _files(ROOT / name)):
        held = path.read_bytes()
        found.update(f"{path.relative_to(ROOT)}\0{len(held)}\0".encode() + held)
    return found.hexdigest()


@functools.cache
def engine_problem() -> str:
    """Return why no Docker engine can be used here; "" where one answers."""
    if shutil.which("docker") is None:
        return "there is no docker on PATH"
    done = _docker("info", "--format", "{{.ServerVersion}}")
    return "" if done.returncode == 0 else f"no Docker engine answers: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"


def require_engine(environment: dict[str, str]) -> None:
    """Skip the test where there is no engine; fail it where IMMTF_REQUIRE_DOCKER=1 says that there must be one."""
    if not (problem := engine_problem()):
        return
    if environment.get("IMMTF_REQUIRE_DOCKER") == "1":
        pytest.fail(f"{problem}; IMMTF_REQUIRE_DOCKER=1 wants one: bash .ci/engine", pytrace=False)
    pytest.skip(f"{problem}; `bash .ci/engine` starts one")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [item for item in path.rglob("*") if item.is_file() and "__pycache__" not in item.parts and item.suffix != ".pyc"]


def _build(tag: str, target: str) -> None:
    _docker("image", "prune", "--force", "--all", "--filter", f"label={LABEL}", "--filter", "until=24h", limit_s=BUILD_LIMIT_S)
    words = ("build", "--label", LABEL, "--target", target, "--tag", tag, str(ROOT))
    done = _docker(*words, limit_s=BUILD_LIMIT_S)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).splitlines()[-40:]
        pytest.fail("docker {} failed:\n{}".format(" ".join(words), "\n".join(said)), pytrace=False)


def _docker(*words: str, limit_s: float = ENGINE_LIMIT_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=limit_s, check=False, env={**os.environ, "DOCKER_CLI_HINTS": "0"}
    )
