"""A strict fake of the container engine: containers that say and do what a test has scripted, on a virtual clock.

It refuses what an engine refuses: what isn't there, and a signal to what has ended is left alone as the port says. Nothing of the order's
variables is ever in what it lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import ContainerFailed
from immtf.model.container import ContainerEnd, ContainerImage, ContainerOrder, Left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from immtf.run.ports import Clock


@dataclass
class Script:
    """What a container does: lines after so many seconds, and how it ends: after a time, or so many seconds after a SIGTERM."""

    lines: Sequence[tuple[float, str]] = ()
    code: int = 0
    after_s: float | None = 1.0
    on_term: tuple[int, float] | None = (21, 0.0)
    out_of_memory: bool = False


@dataclass
class _Running:
    order: ContainerOrder
    script: Script
    started: float
    told: int = 0
    signals: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class FakeContainers:
    """The engine. `silent` are the seconds on the clock between which it doesn't answer."""

    clock: Clock
    images: dict[str, ContainerImage] = field(default_factory=dict)
    trees: dict[str, Callable[[Path], None]] = field(default_factory=dict)
    script: Script = field(default_factory=Script)
    silent: tuple[float, float] = (-1.0, -1.0)
    there: dict[str, _Running] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    stubborn: bool = False

    def image(self, reference: str, *, progress: Callable[[str], None]) -> ContainerImage:
        if reference not in self.images:
            progress(f"pulling {reference}")
            raise ContainerFailed(f"image {reference} is not here and can't be pulled")
        return self.images[reference]

    def read(self, image: ContainerImage, path: str, into: Path) -> None:
        if path not in self.trees:
            raise ContainerFailed(f"image {image.reference} has no directory {path}")
        self.trees[path](into)

    def start(self, order: ContainerOrder) -> str:
        self._answer()
        if order.image_id not in {image.image_id for image in self.images.values()}:
            raise ContainerFailed("the container can't be started: no such image")
        name = f"c{len(self.there) + len(self.removed)}"
        self.there[name] = _Running(order, self.script, self.clock.monotonic())
        return name

    def said(self, container_id: str) -> Sequence[str]:
        self._answer()
        found = self.there.get(container_id)
        if found is None:
            return []
        until = self.clock.monotonic() - found.started
        due = [text for at, text in found.script.lines if at <= until]
        new, found.told = due[found.told :], len(due)
        return new

    def ended(self, container_id: str) -> ContainerEnd | None:
        self._answer()
        if container_id not in self.there:
            return ContainerEnd(125, problem="somebody removed it")
        found, now = self.there[container_id], self.clock.monotonic()
        if any(name == "SIGKILL" for _, name in found.signals):
            return ContainerEnd(137)
        terms = [at for at, name in found.signals if name == "SIGTERM"]
        if found.script.on_term and terms and now >= terms[0] + found.script.on_term[1]:
            return ContainerEnd(found.script.on_term[0])
        if found.script.after_s is not None and now >= found.started + found.script.after_s:
            return ContainerEnd(found.script.code, found.script.out_of_memory)
        return None

    def signal(self, container_id: str, name: str) -> None:
        self._answer()
        if container_id in self.there and self.ended(container_id) is None:
            self.there[container_id].signals.append((self.clock.monotonic(), name))

    def remove(self, container_id: str) -> None:
        self._answer()
        if self.stubborn:
            raise ContainerFailed("it can't be removed")
        if self.there.pop(container_id, None) is not None:
            self.removed.append(container_id)

    def left(self, label: str) -> Sequence[Left]:
        self._answer()
        rows = ((name, item.order.labels) for name, item in self.there.items())
        return [Left(name, labels, self.ended(name) is None) for name, labels in rows if label in labels]

    def _answer(self) -> None:
        if self.silent[0] <= self.clock.monotonic() < self.silent[1]:
            raise ContainerFailed("no container engine answers")
