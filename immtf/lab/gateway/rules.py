"""What AWS refuses and moto doesn't: pure decisions that raise AWS's own error, or return.

Each rule is given what it judges; none asks, waits or changes anything.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from immtf.lab.gateway.states import InstanceState
from immtf.lab.gateway.wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.lab.gateway.facts import InstanceFacts, VolumeFacts

RESERVED_AT_START = 4


def image_usable(image_id: str, state: str | None) -> None:
    """Refuse an image that isn't there (`None`) or isn't ready."""
    if state is None:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if state != "available":
        raise Refusal("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is not available: it is {state}")


def address_free(address: str, cidr: str, taken: Collection[str]) -> None:
    """Refuse a private address outside the subnet, among those that AWS keeps for itself, or in use."""
    network, wanted = IPv4Network(cidr), IPv4Address(address)
    if wanted not in network:
        raise Refusal("InvalidParameterValue", f"Address {address} does not fall within the subnet's address range")
    if not given_out(wanted, network):
        raise Refusal("InvalidParameterValue", f"Address {address} is in subnet's reserved address range")
    if address in taken:
        raise Refusal("InvalidIPAddress.InUse", f"Address {address} is in use.")


def given_out(address: IPv4Address, network: IPv4Network) -> bool:
    """Tell whether AWS gives an address of a subnet out, or keeps it for itself."""
    return int(address) - int(network.network_address) >= RESERVED_AT_START and address != network.broadcast_address


def startable(instance_id: str, state: InstanceState) -> None:
    """Refuse a start unless the instance is stopped, or runs already."""
    if state not in {InstanceState.STOPPED, InstanceState.RUNNING, InstanceState.PENDING}:
        raise _wrong_state(instance_id, "started")


def stoppable(instance_id: str, state: InstanceState) -> None:
    """Refuse a stop unless the instance runs, or is stopped already."""
    if state not in {InstanceState.RUNNING, InstanceState.STOPPING, InstanceState.STOPPED}:
        raise _wrong_state(instance_id, "stopped")


def rebootable(instance_id: str, state: InstanceState) -> None:
    """Refuse a reboot of what doesn't run."""
    if state is not InstanceState.RUNNING:
        raise _wrong_state(instance_id, "rebooted")


def endable(instance_id: str, *, protected: bool) -> None:
    """Refuse to end an instance with termination protection."""
    if protected:
        raise Refusal(
            "OperationNotPermitted",
            f"The instance '{instance_id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
        )


def attachable(
    volume: VolumeFacts, volume_state: str, instance: InstanceFacts, state: InstanceState, device: str, in_use: Mapping[str, str]
) -> None:
    """Refuse an attachment: `in_use` maps each device of the instance to its volume."""
    if not device:
        raise Refusal("MissingParameter", "The request must contain the parameter device")
    if state not in {InstanceState.RUNNING, InstanceState.STOPPED}:
        raise Refusal("IncorrectState", f"Instance '{instance.instance_id}' is not 'running'.")
    if volume.instance_id:
        raise Refusal("VolumeInUse", f"{volume.volume_id} is already attached to an instance")
    volume_ready(volume.volume_id, volume_state)
    if volume.zone != instance.zone:
        raise Refusal(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.volume_id}' is not in the same availability zone as instance '{instance.instance_id}'",
        )
    if device in in_use:
        raise Refusal(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )


def detachable(volume: VolumeFacts, instance_id: str, device: str, root_device: str) -> None:
    """Refuse to detach what isn't attached, isn't there, or is the root disk; empty `instance_id` and `device` say "wherever it is"."""
    if not volume.instance_id:
        raise Refusal("IncorrectState", f"Volume '{volume.volume_id}' is in the 'available' state.")
    elsewhere = (instance_id and instance_id != volume.instance_id) or (device and device != volume.device)
    if elsewhere:
        place = f"instance '{instance_id or volume.instance_id}'" + (f" as device '{device}'" if device else "")
        raise Refusal("InvalidAttachment.NotFound", f"The volume '{volume.volume_id}' is not attached to {place}")
    if volume.device == root_device:
        raise Refusal("OperationNotPermitted", f"Unable to detach root volume '{volume.volume_id}' from instance '{volume.instance_id}'")


def deletable(volume: VolumeFacts, volume_state: str) -> None:
    """Refuse to delete a volume that is attached or not ready."""
    if volume.instance_id:
        raise Refusal("VolumeInUse", f"Volume {volume.volume_id} is currently attached to {volume.instance_id}")
    volume_ready(volume.volume_id, volume_state)


def volume_ready(volume_id: str, state: str) -> None:
    """Refuse a volume that isn't made yet."""
    if state in {"creating", "deleting"}:
        raise Refusal("IncorrectState", f"{volume_id} is not 'available'.")


def snapshot_ready(snapshot_id: str, state: str) -> None:
    """Refuse a snapshot that isn't taken yet."""
    if state != "completed":
        raise Refusal("IncorrectState", f"Snapshot '{snapshot_id}' is in the '{state}' state.")


def same_parameters(token: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse a ClientToken that comes again with other parameters."""
    if dict(before) != dict(now):
        raise Refusal("IdempotentParameterMismatch", f"The client token you have provided is associated with another request: {token}")


def _wrong_state(instance_id: str, done: str) -> Refusal:
    return Refusal("IncorrectInstanceState", f"The instance '{instance_id}' is not in a state from which it can be {done}.")
