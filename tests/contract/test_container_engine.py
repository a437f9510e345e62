"""The port `Containers`: the same cases on the strict fake and on a real engine, with a shell in Debian's image as the program."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.clock import Signals, WallClock
from immtf.adapters.docker import DockerEngine, connect
from immtf.errors import ContainerFailed
from immtf.model.container import ContainerEnd, ContainerImage, ContainerOrder
from tests.container.image import engine_problem
from tests.fakes.containers import FakeContainers, Script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.run.ports import Containers

IMAGE = "debian:bookworm-slim"
LABEL = "immtf.test.engine"
LIMIT_S = 180.0
SAYS = "echo one; echo two >&2; printf end; exit 20"
WAITS = "trap 'echo bye; exit 21' TERM; echo ready; while :; do sleep 0.1; done"
HANGS = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
SCRIPTS = {
    SAYS: Script([(0, "one"), (0, "two"), (0, "end")], code=20, after_s=0.1),
    WAITS: Script([(0, "ready")], after_s=None, on_term=(21, 0.0)),
    HANGS: Script([(0, "ready")], after_s=None, on_term=None),
}


@dataclass
class Bench:
    """An engine with one image, and how a shell's script is run on it."""

    engine: Containers
    image: str

    def start(self, script: str, **settings: object) -> str:
        if isinstance(self.engine, FakeContainers):
            self.engine.script = SCRIPTS[script]
        order = ContainerOrder(image_id=self.image, arguments=("sh", "-c", script), labels={LABEL: str(os.getpid())})
        return self.engine.start(replace(order, **settings))  # type: ignore[arg-type]  # fields of an order

    def heard(self, container: str, until: str) -> list[str]:
        """Return what is said until a line holds this, or until it ends."""
        found: list[str] = []
        deadline = time.monotonic() + LIMIT_S
        while until not in found and time.monotonic() < deadline:
            over = self.engine.ended(container)
            found += self.engine.said(container)
            if over:
                break
            time.sleep(0.05)
        return found

    def end(self, container: str) -> ContainerEnd | None:
        deadline = time.monotonic() + LIMIT_S
        while (found := self.engine.ended(container)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        yield Bench(FakeContainers(WallClock(Signals()), {IMAGE: ContainerImage(IMAGE, "i-1")}), "i-1")
        return
    if problem := engine_problem():
        pytest.skip(problem)
    with DockerEngine(connect(os.environ)) as engine:
        try:
            yield Bench(engine, engine.image(IMAGE, progress=lambda _text: None).image_id)
        finally:
            for left in engine.left(f"{LABEL}={os.getpid()}"):
                engine.remove(left.container_id)


def test_what_it_says_and_how_it_ended(bench: Bench) -> None:
    made = bench.start(SAYS)
    assert sorted(bench.heard(made, "never")) == ["end", "one", "two"]
    assert bench.end(made) == ContainerEnd(20)
    bench.engine.signal(made, "SIGTERM")
    assert [(row.container_id, row.running) for row in bench.engine.left(LABEL) if row.container_id == made] == [(made, False)]
    bench.engine.remove(made)
    bench.engine.remove(made)
    bench.engine.signal(made, "SIGTERM")
    assert made not in [row.container_id for row in bench.engine.left(LABEL)]
    gone = bench.engine.ended(made)
    assert gone is not None
    assert gone.problem == "somebody removed it"


def test_a_signal_is_for_the_program_to_obey_and_removal_is_not(bench: Bench) -> None:
    orderly, stubborn = bench.start(WAITS), bench.start(HANGS)
    for made in (orderly, stubborn):
        assert bench.heard(made, "ready") == ["ready"]
        bench.engine.signal(made, "SIGTERM")
    assert bench.end(orderly) == ContainerEnd(21)
    assert bench.engine.ended(stubborn) is None
    bench.engine.signal(stubborn, "SIGKILL")
    assert bench.end(stubborn) == ContainerEnd(137)
    for made in (orderly, stubborn):
        bench.engine.remove(made)


def test_what_can_not_be_started_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(ContainerFailed, match="can't be started"):
        replace(bench, image="sha256:" + "0" * 64).start(SAYS)
    assert bench.engine.left(f"{LABEL}={os.getpid()}" if isinstance(bench.engine, DockerEngine) else LABEL) == []


def test_an_image_that_is_nowhere(bench: Bench) -> None:
    told: list[str] = []
    with pytest.raises(ContainerFailed, match="is not here and can't be pulled"):
        bench.engine.image("immtf-no-such-image:1", progress=told.append)
    assert told == ["pulling immtf-no-such-image:1"]


@pytest.mark.docker
def test_what_a_container_gets(tmp_path: Path) -> None:
    """Variables by value, mounts at the same path, the user, no terminal, no input; and no variable in its command or labels."""
    if problem := engine_problem():
        pytest.skip(problem)
    (tmp_path / "in").write_text("here")
    script = f'echo "$SECRET"; id -u; cat {tmp_path}/in; echo; test -t 0 || echo notty; cat; echo x > {tmp_path}/out && echo wrote'
    with DockerEngine(connect(os.environ)) as engine:
        bench = Bench(engine, engine.image(IMAGE, progress=lambda _text: None).image_id)
        made = bench.start(script, environment={"SECRET": "a-token"}, user=f"{os.getuid()}:{os.getgid()}", mounts=(str(tmp_path),))
        try:
            assert bench.heard(made, "wrote") == ["a-token", str(os.getuid()), "here", "notty", "wrote"]
            assert bench.end(made) == ContainerEnd(0)
        finally:
            engine.remove(made)
        refused = bench.start(f"echo x > {tmp_path}/out || echo refused", read_only=(str(tmp_path),), host_network=True)
        try:
            assert "refused" in bench.heard(refused, "refused")
        finally:
            engine.remove(refused)


@pytest.mark.docker
def test_directories_are_read_out_of_an_image(tmp_path: Path) -> None:
    if problem := engine_problem():
        pytest.skip(problem)
    with DockerEngine(connect(os.environ)) as engine:
        image = engine.image(IMAGE, progress=lambda _text: None)
        engine.read(image, "/etc/apt", tmp_path / "apt")
        assert (tmp_path / "apt/sources.list.d").is_dir() or (tmp_path / "apt/sources.list").exists()
        with pytest.raises(ContainerFailed, match="has no directory /no/such"):
            engine.read(image, "/no/such", tmp_path / "none")
    with pytest.raises(ContainerFailed, match="no container engine answers") as caught:
        connect({"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert "--from git:REF" in caught.value.next
