"""The sweeper's port over the simulation: everything in it carries one environment's tags, but for what a test tags otherwise.

Snapshots carry the tags that they were taken with. The simulation has no network: see `tests.fakes.network`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed
from immtf.model.cloud import Stray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.reaping import Kind
    from tests.fakes.simulation import SimWorld


@dataclass
class FakeSweeper:
    """Satisfies `immtf.run.ports.Sweeper`. `tags` are those of all that is not in `otherwise`, by id."""

    sim: SimWorld
    tags: Mapping[str, str]
    otherwise: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def found(self, kind: Kind, tags: Mapping[str, str]) -> Sequence[Stray]:
        assert tags, "without tags this would be everything there is"
        return self.sim.calls.do(f"sweeper.{kind}s", lambda: self._found(kind, tags))

    def remove(self, kind: Kind, identity: str) -> None:
        ways = {"instance": self._terminate, "volume": self._delete, "snapshot": self._delete_snapshot}
        self.sim.calls.do(f"sweeper.remove.{kind}", lambda: ways[kind](identity))

    def now(self) -> float:
        return self.sim.clock.monotonic()

    def _found(self, kind: Kind, tags: Mapping[str, str]) -> list[Stray]:
        if kind == "snapshot":
            taken = [Stray(key, item.state, dict(item.tags)) for key, item in self.sim.snapshots.items()]
            return [item for item in taken if tags.items() <= item.tags.items()]
        if kind == "volume":
            return self._tagged({key: "in-use" if item.owner else "available" for key, item in self.sim.volumes.items()}, tags)
        there = {key: item.state for key, item in self.sim.instances.items() if item.state != "terminated"}
        return self._tagged(there if kind == "instance" else {}, tags)

    def _tagged(self, there: Mapping[str, str], tags: Mapping[str, str]) -> list[Stray]:
        found = [Stray(key, state, dict(self.otherwise.get(key, self.tags))) for key, state in there.items()]
        return [item for item in found if tags.items() <= item.tags.items()]

    def _terminate(self, instance_id: str) -> None:
        """Terminate; asked again of one that is gone, EC2 answers as if it were the first time."""
        item = self.sim.instances.get(instance_id)
        if item is None:
            raise CloudFailed(f"the instance {instance_id} does not exist", code="InvalidInstanceID.NotFound")
        if item.live:
            self.sim.terminate(item)

    def _delete_snapshot(self, snapshot_id: str) -> None:
        if snapshot_id not in self.sim.snapshots:
            raise CloudFailed(f"the snapshot {snapshot_id} does not exist", code="InvalidSnapshot.NotFound")
        del self.sim.snapshots[snapshot_id]

    def _delete(self, volume_id: str) -> None:
        volume = self.sim.volumes.get(volume_id)
        if volume is None:
            raise CloudFailed(f"the volume {volume_id} does not exist", code="InvalidVolume.NotFound")
        if volume.owner:
            raise CloudFailed(f"{volume_id} is attached to {volume.owner}", code="VolumeInUse")
        self.sim.delete(volume_id)
