"""A cloud's things that hang on one another, behind the `Sweeper` port: strict where EC2 is, on virtual time.

A thing is refused its removal, with EC2's own code, as long as another one needs it. Instances take their time to end; then they need
nothing more. Filters work as EC2's do: letter by letter, `*` for any text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed
from immtf.model.cloud import Stray
from tests.fakes.calls import Calls
from tests.fakes.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.reaping import Kind

END_S = 30.0
_CODES: Mapping[Kind, tuple[str, str]] = {
    "instance": ("InvalidInstanceID.NotFound", "OperationNotPermitted"),
    "launch-template": ("InvalidLaunchTemplateId.NotFound", "DependencyViolation"),
    "key-pair": ("InvalidKeyPair.NotFound", "DependencyViolation"),
    "volume": ("InvalidVolume.NotFound", "VolumeInUse"),
    "snapshot": ("InvalidSnapshot.NotFound", "InvalidSnapshot.InUse"),
    "network-interface": ("InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterface.InUse"),
    "security-group": ("InvalidGroup.NotFound", "DependencyViolation"),
    "internet-gateway": ("InvalidInternetGatewayID.NotFound", "DependencyViolation"),
    "subnet": ("InvalidSubnetID.NotFound", "DependencyViolation"),
    "route-table": ("InvalidRouteTableID.NotFound", "DependencyViolation"),
    "vpc": ("InvalidVpcID.NotFound", "DependencyViolation"),
}


@dataclass
class Thing:
    """Something in the cloud; `needs` are the ids of what it hangs on."""

    kind: Kind
    tags: dict[str, str]
    needs: frozenset[str] = frozenset()
    state: str = "there"


@dataclass
class NetworkWorld:
    """Everything there is, by id. `start` is the API's time at the beginning, in seconds since 1970."""

    things: dict[str, Thing] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=VirtualClock)
    calls: Calls = field(default_factory=Calls)
    start: float = 1_800_000_000.0

    def add(self, identity: str, kind: Kind, tags: Mapping[str, str], *needs: str) -> None:
        self.things[identity] = Thing(kind, dict(tags), frozenset(needs))

    def now(self) -> float:
        return self.calls.do("sweeper.now", lambda: self.start + self.clock.monotonic())

    def found(self, kind: Kind, tags: Mapping[str, str]) -> list[Stray]:
        assert tags, "without tags this would be everything there is"
        return self.calls.do(f"sweeper.{kind}s", lambda: self._found(kind, tags))

    def remove(self, kind: Kind, identity: str) -> None:
        self.calls.do(f"sweeper.remove.{kind}", lambda: self._remove(kind, identity))

    def _found(self, kind: Kind, tags: Mapping[str, str]) -> list[Stray]:
        rows = {key: item for key, item in self.things.items() if item.kind == kind}
        fits = {key: item for key, item in rows.items() if all(fnmatchcase(item.tags.get(name, ""), value) for name, value in tags.items())}
        return [Stray(key, item.state, dict(item.tags)) for key, item in fits.items() if tags.keys() <= item.tags.keys()]

    def _remove(self, kind: Kind, identity: str) -> None:
        gone, held = _CODES[kind]
        thing = self.things.get(identity)
        if thing is None or thing.kind != kind:
            raise CloudFailed(f"{identity} does not exist", code=gone)
        by = sorted(key for key, other in self.things.items() if identity in other.needs)
        if by:
            raise CloudFailed(f"{identity} has a dependent object {by[0]}", code=held)
        if kind != "instance":
            del self.things[identity]
        elif thing.state != "shutting-down":
            thing.state = "shutting-down"
            self.clock.after(END_S, lambda: self.things.pop(identity, None))


def whole_network(world: NetworkWorld, name: str, tags: Mapping[str, str]) -> None:
    """Make all that a test may make, each hanging on what it hangs on in EC2. `name` is in every id."""
    world.add(f"vpc-{name}", "vpc", tags)
    world.add(f"subnet-{name}", "subnet", tags, f"vpc-{name}", f"rtb-{name}")
    world.add(f"rtb-{name}", "route-table", tags, f"vpc-{name}")
    world.add(f"igw-{name}", "internet-gateway", tags, f"vpc-{name}")
    world.add(f"sg-{name}", "security-group", tags, f"vpc-{name}")
    world.add(f"eni-{name}", "network-interface", tags, f"subnet-{name}", f"sg-{name}")
    world.add(f"lt-{name}", "launch-template", tags)
    world.add(f"key-{name}", "key-pair", tags)
    world.add(f"vol-{name}", "volume", tags)
    world.add(f"snap-{name}", "snapshot", tags)
    world.add(f"i-{name}", "instance", tags, f"eni-{name}", f"sg-{name}", f"subnet-{name}", f"vol-{name}")
