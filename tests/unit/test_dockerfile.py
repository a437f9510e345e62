"""The Dockerfile's facts that stand elsewhere too: versions, base images, the files that the build may see."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.container.image import SEEN

ROOT = Path(__file__).parents[2]
DOCKERFILE = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
STAGES = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)


def test_the_image_bears_the_project_s_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE


def test_every_base_is_pinned_or_a_stage_before_and_the_default_is_the_small_one() -> None:
    names: list[str] = []
    for base, name in STAGES:
        assert base in names or re.fullmatch(r"debian:\w+-slim|hashicorp/terraform:\d+\.\d+\.\d+", base)
        names.append(name)
    assert STAGES[-1] == ("run", "immtf")
    assert ("run", "lab") in STAGES


def test_any_builder_will_do() -> None:
    assert not re.search(r"--mount|--chmod|<<|--link", DOCKERFILE)


def test_nothing_but_what_is_built_is_sent_to_the_engine() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} | {"Dockerfile"} == set(SEEN)


def test_what_runs_is_what_was_tested() -> None:
    """Each package of the container's locks is in the lock of the tests in that very version, with the same checksums."""
    tested = _locked("requirements.lock")
    for name in ("requirements-run.lock", "requirements-build.lock"):
        locked = _locked(name)
        assert locked
        assert {package: files for package, files in locked.items() if tested.get(package) != files} == {}


def _locked(name: str) -> dict[str, frozenset[str]]:
    """Return a lock's checksums by its packages and versions."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / name).read_text())
    return {entry.split()[0]: frozenset(re.findall(r"sha256:[0-9a-f]{64}", entry)) for entry in entries if "==" in entry}
