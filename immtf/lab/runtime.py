"""The port between the lab's gateway (which speaks EC2) and what really runs: instances, volumes, images.

The gateway decides what the API says and when; a runtime makes it true. Every call blocks until the thing has really
happened or raises; the gateway calls it from threads of its own and overlays the transitional states meanwhile.
Implementations: `immtf.lab.process` (process groups on loopback addresses). All ids are the API's own (`i-…`, `vol-…`, `ami-…`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class RuntimeFailed(Exception):
    """The runtime could not do what it was asked; the gateway turns it into an API error or a failed instance."""


class VolumeBusy(RuntimeFailed):
    """The volume is in use (mounted) in a running instance and was not detached."""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What an instance is made from; `public_key` lets the image's user in over SSH, in OpenSSH's form, "" for nobody."""

    instance_id: str
    image_id: str
    address: str
    zone: str
    user_data: bytes = b""
    tags: dict[str, str] = field(default_factory=dict)
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """What a command left that was carried out in an instance."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One row of `lab status`: what really runs, as opposed to what the API says.

    `mounts` maps a mount point in the guest to the volume id behind it; `services` maps a service to its state
    (`running`, `waiting`, `restarting`, `failed`); `interfaces` maps the index of each further interface ("1" upwards, as text) to its
    address.
    """

    instance_id: str
    image_id: str
    address: str
    running: bool
    pid: int | None
    mounts: dict[str, str]
    services: dict[str, str]
    log: str
    interfaces: dict[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """What the gateway asks of a runtime. Thread-safe: calls for different instances come side by side."""

    def boot(self, spec: InstanceSpec) -> None:
        """Make the instance from its image and start it; returns as soon as the guest's init runs. Unknown image: `RuntimeFailed`."""

    def start(self, instance_id: str) -> None:
        """Start a stopped instance again; its root disk is kept, user data is not run again."""

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """End the guest in order (services, unmount, init), waiting until it is gone; after a grace period it is killed. Idempotent."""

    def terminate(self, instance_id: str) -> None:
        """Stop the guest and remove its root disk; the log is kept; attached volumes are given back. Idempotent."""

    def is_running(self, instance_id: str) -> bool:
        """Whether the guest's init is alive now (it may have powered itself off)."""

    def create_volume(self, volume_id: str, *, snapshot_id: str | None = None) -> None:
        """Make a blank volume, or one with the content of a snapshot. Idempotent."""

    def delete_volume(self, volume_id: str) -> None:
        """Remove a detached volume and its content. Idempotent; attached: `VolumeBusy`."""

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Make the volume reachable in the instance under `device`."""

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        """Take the volume out of reach. `VolumeBusy` while it is mounted in a running guest, unless forced. Idempotent."""

    def attach_interface(self, instance_id: str, address: str, index: int) -> None:
        """Give an instance, running or not, a further private address as its interface `index` (1 upwards).

        It is kept over stop and start. There already: done. The index or the address taken, or index 0: `RuntimeFailed`.
        """

    def detach_interface(self, instance_id: str, index: int) -> None:
        """Take that address away again, once the services that need it have stopped. Idempotent; the primary one (0): `RuntimeFailed`."""

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Keep a copy of the volume's content as it is now."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a copy that was kept. Idempotent."""

    def create_image(self, image_id: str, instance_id: str) -> None:
        """Keep a copy of the instance's root disk as an image."""

    def register_image(self, image_id: str, tree: str) -> None:
        """Make a directory tree an image (copied)."""

    def delete_image(self, image_id: str) -> None:
        """Remove an image; instances that were made from it stay. Idempotent."""

    def execute(self, instance_id: str, script: str, *, timeout_s: float) -> Executed:
        """Run a POSIX shell script as root of the guest would; not running: `RuntimeFailed`. Exit 124 after `timeout_s`."""

    def instances(self) -> Sequence[InstanceStatus]:
        """Everything that has been booted and not terminated."""

    def close(self) -> None:
        """End every guest; called once, when the lab goes down."""
