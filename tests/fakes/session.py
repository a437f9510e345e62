"""A command's session on the simulation: the use cases as they are, with the simulated world behind every port.

Only what `Session.open` wires is another: time is virtual, Terraform and the cloud are the fakes. `wanted` follows the image that a
use case opens the world with, as Terraform's variable does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.aws import Aws
from immtf.adapters.clock import Signals
from immtf.app.session import Session
from immtf.app.target import Target
from immtf.app.telling import Teller
from immtf.model.events import RunFinished, RunHalted, StageStarted
from immtf.plan.image import Image
from immtf.run.gates import Patience
from immtf.run.ledger import Ledger
from tests.fakes.simulation import NEW, OLD
from tests.fakes.sweeper import FakeSweeper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from immtf.model.block import Block
    from immtf.model.cloud import ImageChoice, Instance
    from immtf.model.events import Event
    from immtf.run.world import World
    from tests.fakes.world import Scene

LET_OUT = {"immtf:promoted": "2026-02-02T00:00:00Z"}
IMAGES = (
    Image(OLD, "consul", "1.0.0", "2026-01-01T00:00:00Z", tags=LET_OUT),
    Image(NEW, "consul", "1.1.0", "2026-02-01T00:00:00Z", tags=LET_OUT),
)
AWS = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}


@dataclass
class FakeImages:
    """Stands in for `Ec2` where images are chosen."""

    known: tuple[Image, ...] = IMAGES
    there: tuple[Instance, ...] = ()

    def images(self, family: str) -> tuple[Image, ...]:
        return tuple(image for image in self.known if image.family == family)

    def tagged(self, tags: Mapping[str, str]) -> tuple[Instance, ...]:
        assert tags, "without tags this would be every instance there is"
        return self.there

    def image(self, image_id: str) -> Image | None:
        return next((image for image in self.known if image.image_id == image_id), None)


@dataclass
class SimSession(Session):
    """A session on a scene; `told` is what its listeners heard. From the clean-up of a test on, the scene may be destroyed."""

    scene: Scene = field(kw_only=True)
    told: list[Event] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    swept: FakeSweeper | None = None

    def __post_init__(self) -> None:
        """Make what a session makes, but no client of AWS: that takes longer than all else here."""
        self.tell = Teller((self._hear, *self.listeners), self._asked_to_end)
        self.clock = self.scene.sim.clock  # type: ignore[assignment]  # a clock is a clock
        self.patience = Patience(self.clock, self.signals, self.tell, self.overrides)
        self.ledger = Ledger(self.clock.monotonic())
        self.aws = Aws.from_environment(self.target.process)
        self.ec2 = FakeImages()  # type: ignore[assignment]  # all that is asked of it here
        self.calls_before = self.target.calls() if self.target.calls else 0
        self.signals.on_request(self._interrupt)

    def open(self, image: ImageChoice | None, *, block: Block | None = None) -> World:
        self._opened = (image, block or self.block)
        self.opened.append(image.image_id if image else "")
        self.commands.append(self.command)
        if image:
            self.scene.sim.wanted = image.image_id
        self.scene.block = block or self.block
        self.world = self.scene.world()
        return self.world

    def sweeper(self) -> FakeSweeper:
        """Return the fake; what was made in this session carries its environment's tags."""
        self.swept = self.swept or FakeSweeper(
            self.scene.sim, {"immtf:block": self.block.name, "immtf:environment": self.target.environment}
        )
        return self.swept

    def confirm(self, question: str) -> None:
        """Be the person who says yes."""
        self.confirmed.append(question)
        self.scene.sim.doomed = self.scene.sim.doomed or question.startswith("Delete")

    def names(self) -> list[str]:
        """Return the kinds of events that were told, in order."""
        return [type(event).__name__ for event in self.told]

    @property
    def finished(self) -> RunFinished:
        """Return the last event, which is always this one, and told once."""
        assert isinstance(self.told[-1], RunFinished)
        assert self.names().count("RunFinished") == 1
        return self.told[-1]

    @property
    def halted(self) -> RunHalted:
        """Return the only halt."""
        (event,) = (event for event in self.told if isinstance(event, RunHalted))
        return event

    def _hear(self, event: Event, _at: datetime) -> None:
        self.told.append(event)
        if isinstance(event, StageStarted) and event.stage == "clean-up":
            self.scene.sim.doomed = True


def make_session(scene: Scene, *, listeners: Sequence[object] = (), **target: object) -> SimSession:
    """Return a session on this scene, in a test environment named `sim`."""
    place = {"cloud": "lab", "environment": "sim", "is_test": True, "home": Path("/nowhere"), "process": AWS, **target}
    return SimSession(scene.block, Target(**place), "r1", Signals(), tuple(listeners), scene=scene)  # type: ignore[arg-type]  # as the test gives
