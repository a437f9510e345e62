"""States of blocks in a table, in the place of a reader's: what is deployed beside the block of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immtf.errors import ImmtfError
from immtf.model.block import Block, OutputNeed
from immtf.model.environment import Backend, States
from immtf.model.events import Noted
from immtf.model.outputs import Output, Outputs
from tests.fakes.session import SimSession, make_session
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass
class Environment:
    """States in a table; it keeps what was read. `listed` is what is said to be there: all of them, unless told otherwise."""

    tmp: Path
    states: dict[str, Outputs | ImmtfError] = field(default_factory=dict)
    listed: bool = True
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, version: str = "2.1.0", requires: Mapping[str, str] | None = None, **values: Any) -> None:
        block = {"name": name, "version": version, "requires": dict(requires or {})}
        outputs = {key: Output(key, value) for key, value in {"block": block, **values}.items()}
        self.states[name] = Outputs(name, f"the state of block {name}", "there", outputs, 1)

    def read(self, name: str, backend: Backend) -> Outputs:
        assert backend == self.backend(name)
        self.asked.append(name)
        found = self.states.get(name) or Outputs(name, f"the state of block {name}", "none")
        if isinstance(found, ImmtfError):
            raise found
        return found

    def backend(self, name: str) -> Backend:
        return Backend("s3", {"bucket": "states", "key": f"x/{name}/${{y}}", "use_lockfile": True})

    def session(self, block: Block, command: str, **more: Any) -> SimSession:
        session = make_session(
            make_scene(3),
            states=States(self.backend, lambda: tuple(sorted(self.states)) if self.listed else None),
            directory=self.tmp / "env",
            flags=f"{block.directory} --environment x",
            **more,
        )
        session.block, session.command = block, command
        return session


def make_consumer(here: Environment, hcl: str = "", *needs: OutputNeed, name: str = "web", requires: str = "~> 2.0") -> Block:
    directory = here.tmp / "blocks" / name
    directory.mkdir(parents=True)
    (directory / "main.tf").write_text(hcl)
    (directory / "immtf.yaml").write_text(f"block: {name}\n")
    uses = {"base": needs} if needs else {}
    required = {"base": requires} if requires else {}
    return Block(name, "1.0.0", directory, directory / "immtf.yaml", directory, requires=required, uses=uses)


def warnings(session: SimSession) -> list[str]:
    return [event.message for event in session.told if isinstance(event, Noted) and event.level == "warning"]
