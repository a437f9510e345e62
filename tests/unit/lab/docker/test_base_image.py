"""The base image with a small engine that knows images by name and says what a build says."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from immtf.errors import LabFailed
from immtf.lab.docker.base_image import BASE, BUILD_LIMIT_S, FROM, digest, ensure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TAG = f"immtf-lab-base:{digest()[:12]}"


@dataclass
class Engine:
    """As much of a `docker.DockerClient` as building takes; `says` is a build's output."""

    has: set[str] = field(default_factory=lambda: {FROM})
    says: Sequence[dict[str, Any]] = ({"stream": "Step 1/4\n"},)
    down: bool = False
    built: dict[str, list[str]] = field(default_factory=dict)
    closed: int = 0

    @property
    def images(self) -> Engine:
        return self

    @property
    def api(self) -> Engine:
        return self

    def get(self, name: str) -> object:
        if self.down:
            raise docker.errors.DockerException("no engine")
        if name not in self.has:
            raise docker.errors.ImageNotFound(name)
        return object()

    def build(self, *, fileobj: Any, tag: str, custom_context: bool, timeout: int, **_: Any) -> Iterator[dict[str, Any]]:
        assert custom_context
        assert timeout > 0
        with tarfile.open(fileobj=fileobj) as archive:
            names = archive.getnames()
        try:
            yield from self.says
            self.built[tag] = names
            self.has.add(tag)
        finally:
            self.closed += 1


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def ensured(engine: Engine, lock: Path, times: tuple[float, ...] = ()) -> str:
    clock = iter(times)
    return ensure(engine, progress=lambda _: None, clock=lambda: next(clock, 0.0), lock=lock)


def test_an_image_of_this_content_is_built_once(lock: Path) -> None:
    engine, told = Engine(), []
    assert ensure(engine, progress=told.append, lock=lock) == ensure(engine, progress=told.append, lock=lock) == TAG
    assert len(told) == len(engine.built) == 1
    assert {"Dockerfile", "files/usr/lib/immtf-lab/mount", "guest/immtf/lab/docker/units.py", "guest/immtf/lab/guest/boot.py"} <= set(
        engine.built[TAG]
    )


def test_who_waited_for_another_s_build_finds_the_image_there(lock: Path) -> None:
    engine = Engine()
    assert ensure(engine, progress=lambda _: engine.has.add(TAG), lock=lock) == TAG
    assert engine.built == {}


def test_the_files_are_package_data() -> None:
    assert (BASE / "Dockerfile").read_text().count(f"FROM {FROM}\n") == 1


def test_a_build_that_fails_tells_the_end_of_its_output(lock: Path) -> None:
    says = [{"stream": f"line {number}\n"} for number in range(50)] + [{"error": "apt-get ended with 100"}]
    engine = Engine(says=says)
    with pytest.raises(LabFailed, match=r"apt-get ended with 100\n(?s:.*)line 49") as caught:
        ensured(engine, lock)
    assert "line 9\n" not in str(caught.value)
    assert (engine.closed, engine.built) == (1, {})


def test_without_debian_the_ways_to_get_it_are_named(lock: Path) -> None:
    engine = Engine(has=set(), says=[{"error": "manifest unknown"}])
    with pytest.raises(LabFailed, match="can't pull: manifest unknown") as caught:
        ensured(engine, lock)
    assert caught.value.next.startswith(f"docker pull {FROM}")
    assert "debootstrap" in caught.value.next


def test_a_build_has_a_limit_and_is_ended_at_it(lock: Path) -> None:
    engine = Engine(says=[{"stream": "a\n"}, {"stream": "b\n"}])
    with pytest.raises(LabFailed, match=f"not done within {BUILD_LIMIT_S:g} s"):
        ensured(engine, lock, (0.0, BUILD_LIMIT_S + 1))
    assert (engine.closed, engine.built) == (1, {})


def test_an_engine_that_does_not_answer_is_told(lock: Path) -> None:
    with pytest.raises(LabFailed, match="no engine") as caught:
        ensured(Engine(down=True), lock)
    assert caught.value.next == "docker info"
