"""A run over many blocks reads each file and each state once, then each block's run what it hangs on. Counted, not timed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from immtf.app.producers import meet
from immtf.app.target import Target
from immtf.cli.catalogue import blocks_at
from immtf.cli.many import job_of
from immtf.cli.many_order import Look, arrange
from immtf.cli.options import Options
from immtf.model.environment import Backend, States
from immtf.model.outputs import Output, Outputs
from tests.fakes.infrastructure import layers, make_part
from tests.fakes.session import make_session
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.cli.many import Choice
    from immtf.model.block import Block

SIZES = (50, 500)


@dataclass
class Counted:
    """An infrastructure of so many blocks in layers, of version 2; what is `deployed` of it is so in version 1. It counts."""

    directory: Path
    count: int
    deployed: bool = True
    reads: int = 0
    listed: int = 0
    edges: int = 0
    blocks: Mapping[str, Block] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the blocks."""
        needs = layers(self.count)
        self.blocks = {
            f"b{place}": make_part(f"b{place}", "2.0.0", {f"b{need}": ">= 1" for need in needs[place]}) for place in range(self.count)
        }
        self.edges = sum(map(len, needs))

    @property
    def states(self) -> States:
        return States(lambda name: Backend("local", {"path": f"/{name}"}), self.there)

    def there(self) -> tuple[str, ...]:
        self.listed += 1
        return tuple(self.blocks) if self.deployed else ()

    def read(self, name: str, _backend: Backend) -> Outputs:
        self.reads += 1
        if not self.deployed:
            return Outputs(name, f"the state of {name}", "none")
        told = {"name": name, "version": "1.0.0", "requires": dict(self.blocks[name].requires)}
        return Outputs(name, f"the state of {name}", "there", {"block": Output("block", told)}, 1)

    def order(self, command: str) -> Choice:
        target = Target(cloud="x", environment="e", is_test=True, home=self.directory, process={}, states=self.states)
        look = Look(target=target, interrupted=lambda: False, tell=lambda _event: None, read=self.read)
        return arrange(command, Options(block=self.directory), self.blocks, look)


@pytest.mark.parametrize("count", SIZES)
def test_each_file_is_loaded_once(tmp_path: Path, count: int) -> None:
    loaded = []

    def load(path: Path) -> Block:
        loaded.append(path)
        return make_part(path.name)

    for place in range(count):
        (tmp_path / f"b{place}").mkdir()
        (tmp_path / f"b{place}" / "immtf.yaml").touch()
    assert len(blocks_at(tmp_path, tmp_path, load)) == count
    assert len(loaded) == len(set(loaded)) == count


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("command", ["plan", "create", "upgrade", "destroy"])
def test_the_order_takes_each_state_once(tmp_path: Path, command: str, count: int) -> None:
    made = Counted(tmp_path, count)
    choice = made.order(command)
    planned = job_of(command, Options(block=tmp_path), choice, {}).planned()
    assert {row.now for row in planned.rows} == {"1.0.0"}
    assert (len(planned.rows), made.reads) == (count, count)
    assert made.listed <= 3
    assert sum(len(item.consumers) + len(item.before) for item in choice.neighbours.values()) <= 3 * made.edges


def test_where_something_is_to_be_created_first_each_block_s_plan_is_told_whom_to_ask_all_the_same(tmp_path: Path) -> None:
    """Else each would read all states."""
    choice = Counted(tmp_path, 50, deployed=False).order("plan")
    assert set(choice.neighbours) == set(choice.names)
    assert not any(item.before for item in choice.neighbours.values())


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize(("command", "edges"), [("create", 1), ("upgrade", 2)])
def test_all_blocks_runs_together_read_each_its_own_state_and_those_it_hangs_on(
    tmp_path: Path, command: str, edges: int, count: int
) -> None:
    """Of a creation those that it requires, of an upgrade those that require it too; and none lists what there is."""
    made = Counted(tmp_path, count, deployed=command == "upgrade")
    choice = made.order(command)
    session = make_session(make_scene(3), states=made.states)
    session.command, made.reads, made.listed = command, 0, 0
    made.deployed = True  # a creation's producers are there by the turn of each
    own = 0
    for name in choice.names:
        session.block, session.neighbours = made.blocks[name], choice.neighbours[name]
        meet(session, session.block, made.read)
        own += 1
    assert (made.reads, made.listed) == (own + edges * made.edges, 0)
