"""The ports of the loop: everything it may ask of the world, as Protocols. Adapters satisfy them, and so do strict fakes.

Every call has its own time limit inside the adapter and raises an `immtf.errors.ImmtfError`; a read that could not be made
is never answered with an empty result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from immtf.model.layout import NOTHING_HELD, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Any, TypeAlias

    from immtf.errors import GuestFailed
    from immtf.model.block import ServiceGate, TestinfraGate
    from immtf.model.checking import CheckFacts
    from immtf.model.cloud import Instance, Interface, Stray, Volume, VolumeSnapshot
    from immtf.model.container import ContainerEnd, ContainerImage, ContainerOrder, Left
    from immtf.model.events import Event
    from immtf.model.names import NodeId
    from immtf.model.reaping import Kind
    from immtf.model.running import RunEnd, RunOrder, Told
    from immtf.model.service import Peer, ServiceView
    from immtf.model.terraform import PlanData, StateData
    from immtf.model.verdict import Verdict
    from immtf.plan.image import Image

    Listener: TypeAlias = Callable[[Event], None]
    Watching: TypeAlias = Callable[[Collection[tuple[str, str]]], None]


def nobody(_begun: Collection[tuple[str, str]]) -> None:
    """Watch nothing."""


class Clock(Protocol):
    """Time, handed in. `sleep` returns early when the run is asked to end."""

    def monotonic(self) -> float:
        """Return seconds that only grow; for limits and durations."""

    def sleep(self, seconds: float) -> None:
        """Wait, at most so long."""


class Cancel(Protocol):
    """Whether a person or the machine asked the run to end, once or twice."""

    def is_set(self) -> bool:
        """Return whether to stop at the next safe point: when no node is away."""

    def is_urgent(self) -> bool:
        """Return whether to stop at once, as a second request wants it."""


class SavedPlan(Protocol):
    """A Terraform plan in a file, with what it says."""

    @property
    def changed(self) -> bool:
        """Return whether applying it would do anything."""

    @property
    def data(self) -> PlanData:
        """Return the plan's JSON as data."""


class Terraform(Protocol):
    """Terraform on one root module; `plan` and `apply` work on the same file: what is applied is what was judged."""

    def plan(
        self,
        *,
        targets: Sequence[str] = (),
        destroy: bool = False,
        refresh: bool = True,
        records: bool = False,
        held: Mapping[str, Held] = NOTHING_HELD,
    ) -> SavedPlan:
        """Make a plan into a file. Raises `TerraformFailed`; never reads a failure as a change.

        `held` are the slots that nodes keep, by the nodes' keys: the configuration is told them in its variable `held`.

        With `records` it changes the state only, never the world; what it would record is the plan's drift, and no change.
        """

    def apply(self, saved: Any, watch: Watching = nobody) -> None:
        """Apply that very plan file. Raises `StalePlan` where the state moved meanwhile, else `TerraformFailed`.

        `watch` is called again and again while it lasts, from this thread, with what was begun: addresses, each with its action.
        """

    def state(self) -> StateData:
        """Return the state."""

    def adopt(self, address: str, identity: str) -> None:
        """Take an object that exists and that the state lost into the state; nothing in the world changes."""

    def forget(self, address: str) -> None:
        """Take an object that is gone from the world out of the state; nothing in the world changes."""

    def untaint(self, address: str) -> None:
        """Keep an object that the next plan would replace only because its creation was interrupted."""


class Cloud(Protocol):
    """The cloud's instances and volumes. What doesn't exist is absent from an answer; what could not be read raises."""

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        """Return the named instances by id."""

    def tagged(self, tags: Mapping[str, str]) -> Sequence[Instance]:
        """Return instances with all these tags, at least one, that are not gone."""

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        """Return the named volumes by id."""

    def image(self, image_id: str) -> Image | None:
        """Return one image, or None where this account doesn't see it."""

    def holder(self, address: str, subnet_id: str) -> str:
        """Return in words who has a private address in a subnet ("" for any subnet); "" where nobody is seen to."""

    def stop(self, instance_id: str) -> None:
        """Ask an instance to stop; returns at once. `CloudFailed` with code `IncorrectInstanceState` in between states."""

    def start(self, instance_id: str) -> None:
        """Ask a stopped instance to start; returns at once."""

    def detach(self, volume_id: str, instance_id: str) -> None:
        """Ask to detach a volume from the instance named, never by force; returns at once."""

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Ask to attach a volume as this device; returns at once. Refused where it is in use."""

    def interfaces(self, ids: Collection[str]) -> Mapping[str, Interface]:
        """Return the named network interfaces by id."""

    def attach_interface(self, interface_id: str, instance_id: str, index: int) -> None:
        """Ask to attach a network interface at this place of the instance's; returns at once. Refused where it is in use."""

    def detach_interface(self, attachment_id: str) -> None:
        """Ask to end an attachment of a network interface, never by force; returns at once."""

    def modifications(self, ids: Collection[str]) -> Mapping[str, str]:
        """Return which of these volumes are being changed by the cloud, and how far that is: modifying or optimizing."""

    def snapshot(self, volume_id: str, tags: Mapping[str, str]) -> VolumeSnapshot:
        """Take a snapshot of a volume as it is now; returns at once, while it is `pending`."""

    def snapshots(self, tags: Mapping[str, str]) -> Sequence[VolumeSnapshot]:
        """Return this account's snapshots with all these tags, at least one, whatever volume they are of."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot. `CloudFailed` with code `InvalidSnapshot.NotFound` where there is none."""


class Sweeper(Protocol):
    """What takes away what tests made. Not a part of `Cloud`: no loop that serves an upgrade can reach a deletion."""

    def found(self, kind: Kind, tags: Mapping[str, str]) -> Sequence[Stray]:
        """Return this account's things of a kind with all these tags, at least one; the value `*` stands for any.

        Instances that are terminated are not among them, nor what goes with its VPC: its main route table and its default security group.
        """

    def remove(self, kind: Kind, identity: str) -> None:
        """Ask for one thing to go; returns at once. `CloudFailed` with AWS's code where it is gone, or something hangs on it still."""

    def now(self) -> float:
        """Return the time by the API's own clock, in seconds since 1970."""


class Guest(Protocol):
    """The inside of an instance."""

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        """Run a POSIX shell script and return exit code, output and errors. Raises `GuestFailed` where it can't be run."""

    def run_on(self, ids: Collection[str], script: str, *, timeout_s: float) -> Mapping[str, tuple[int, str, str] | GuestFailed]:
        """Run a script of few words' output on many instances, in a few calls; for each what `run` returns, or would raise."""


class Service(Protocol):
    """A clustered service, asked server by server."""

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        """Return what each server answers; a server that doesn't is told as a problem, never left out."""

    def hand_over(self, gate: ServiceGate, leader: str, to: str) -> str:
        """Ask the leader at this address to let the other lead; returns what was done, or why it can't be."""

    def leave(self, gate: ServiceGate, address: str) -> str:
        """Let the server at this address leave the cluster and end, to join it again later; returns what was done, within its own limit.

        Raises `CloudFailed` where it is refused, doesn't answer, or where servers of this kind can't come back.
        """

    def remove_peer(self, gate: ServiceGate, via: str, peer: Peer) -> str:
        """Strike a peer from the configuration, asking the server at `via`; returns what was done. Whether it may be is not asked here.

        A peer that is gone already is no error. Raises `CloudFailed` where it is refused, or is at another address by now.
        """


class Knock(Protocol):
    """Plain checks over the network."""

    def http(self, url: str, *, status: int, contains: str | None, timeout_s: float) -> Verdict:
        """Return whether a GET is answered so."""

    def tcp(self, address: str, port: int, *, timeout_s: float) -> Verdict:
        """Return whether a connection is taken."""


class Checks(Protocol):
    """A user's own tests of a node."""

    def run(self, gate: TestinfraGate, facts: CheckFacts) -> Verdict:
        """Run them within the gate's time and return whether all passed; `final` where they can't be run at all."""

    def ready(self, gate: TestinfraGate) -> Verdict:
        """Return whether they can be run from here, without asking any node."""


class Containers(Protocol):
    """An engine that runs containers. Every call has a time limit and raises `ContainerFailed` where the engine doesn't answer."""

    def image(self, reference: str, *, progress: Callable[[str], None]) -> ContainerImage:
        """Return an image, pulled where the engine has none; `progress` hears of that in words. None to be had: `ContainerFailed`."""

    def read(self, image: ContainerImage, path: str, into: Path) -> None:
        """Copy a directory of an image to `into`, which is made. `ContainerFailed` where the image has none there."""

    def start(self, order: ContainerOrder) -> str:
        """Start a container and return its id; what it says is kept from its first word on. What was made is gone where it fails."""

    def said(self, container_id: str) -> Sequence[str]:
        """Return the whole lines that it has said since this was asked last; when it has ended, the unfinished one too."""

    def ended(self, container_id: str) -> ContainerEnd | None:
        """Return how it ended, or None while it runs. Removed by somebody else: an end with a problem."""

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal (`SIGTERM`). One that has ended, or is gone, is left alone."""

    def remove(self, container_id: str) -> None:
        """Remove it, and kill it where it still runs. One that is gone is no error."""

    def left(self, label: str) -> Sequence[Left]:
        """Return all containers with this label, those that have ended too."""


class BlockRuns(Protocol):
    """Runs of immtf on single blocks, each a process of its own. One that outlives this process ends at its next safe point."""

    def start(self, order: RunOrder) -> None:
        """Begin the run of a block; returns at once. Raises `ImmtfError` where it can't be begun."""

    def told(self) -> Sequence[Told]:
        """Return what the runs have told since this was asked last, in the order in which it came."""

    def ended(self) -> Sequence[RunEnd]:
        """Return the runs that have ended since this was asked last; everything that such a run told was returned by `told` before."""

    def signal(self, name: str) -> None:
        """Send a signal (`SIGTERM`) to every run that is under way."""
