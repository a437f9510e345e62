"""The lab's own record: what the API says of an instance, a volume, an attachment, an image, a snapshot.

The backend knows settled states only; this record knows the transitions as well, and where it knows a thing it is the one
to be believed. Nothing here acts, sleeps or locks: its holder does. Each change puts a new frozen value in place, so a job that
ends late can see that the value it began with is no longer the one that holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class InstanceState(StrEnum):
    """EC2's instance states; `code` is EC2's number for each."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def code(self) -> int:
        """Give EC2's number."""
        return _CODES[self]

    @property
    def gone(self) -> bool:
        """Tell whether the instance is ending or has ended."""
        return self in {InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED}


_CODES = {
    InstanceState.PENDING: 0,
    InstanceState.RUNNING: 16,
    InstanceState.SHUTTING_DOWN: 32,
    InstanceState.TERMINATED: 48,
    InstanceState.STOPPING: 64,
    InstanceState.STOPPED: 80,
}


class AttachmentState(StrEnum):
    """EC2's attachment states; without an attachment there is no record."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    BUSY = "busy"

    @property
    def ending(self) -> bool:
        """Tell whether the volume was asked to be detached."""
        return self in {AttachmentState.DETACHING, AttachmentState.BUSY}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance is in its state, in AWS's words."""

    code: str
    message: str


BY_USER = Reason("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BY_ITSELF = Reason("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """An instance that runs, or ran, in the lab.

    `launched` is when it was last started, "" where it never was stopped; `public_key` is its key pair's public half, "" without one.
    """

    instance_id: str
    region: str
    state: InstanceState
    reason: Reason | None = None
    launched: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """A data volume in an instance. The root volume has no record: it is the instance's own disk."""

    volume_id: str
    instance_id: str
    device: str
    region: str
    state: AttachmentState


@dataclass(frozen=True, slots=True)
class InterfaceRecord:
    """A further network interface in an instance, at device index 1 or above; `doomed`: it is deleted with the instance.

    A primary interface has no record: it comes and goes with its instance.
    """

    interface_id: str
    attachment_id: str
    instance_id: str
    index: int
    region: str
    state: AttachmentState
    doomed: bool = False


@dataclass
class Record:
    """Everything that the lab knows, by id.

    The plain texts are what the backend can't be told: states, images' architectures, and an interface's own groups (names by id).
    """

    instances: dict[str, InstanceRecord] = field(default_factory=dict)
    attachments: dict[str, AttachmentRecord] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    architectures: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    modifications: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, InterfaceRecord] = field(default_factory=dict)
    interface_groups: dict[str, dict[str, str]] = field(default_factory=dict)

    def move(self, instance_id: str, state: InstanceState, reason: Reason | None = None) -> InstanceRecord:
        """Put an instance into another state and give its new value."""
        moved = replace(self.instances[instance_id], state=state, reason=reason)
        self.instances[instance_id] = moved
        return moved

    def launch(self, instance_id: str, at: str) -> InstanceRecord:
        """Put a stopped instance on its way up again, at this time in EC2's form, and give its new value."""
        self.instances[instance_id] = replace(self.instances[instance_id], launched=at)
        return self.move(instance_id, InstanceState.PENDING)

    def attach(self, volume_id: str, state: AttachmentState) -> AttachmentRecord:
        """Put an attachment into another state and give its new value."""
        moved = replace(self.attachments[volume_id], state=state)
        self.attachments[volume_id] = moved
        return moved

    def plug(self, interface_id: str, **changes: Any) -> InterfaceRecord:
        """Change an interface's attachment and give its new value."""
        changed = replace(self.interfaces[interface_id], **changes)
        self.interfaces[interface_id] = changed
        return changed

    def interfaces_of(self, instance_id: str) -> list[InterfaceRecord]:
        """Give the further interfaces of an instance, whatever their state."""
        return [interface for interface in self.interfaces.values() if interface.instance_id == instance_id]

    def attached_to(self, instance_id: str) -> list[AttachmentRecord]:
        """Give the attachments of an instance, whatever their state."""
        return [attachment for attachment in self.attachments.values() if attachment.instance_id == instance_id]
