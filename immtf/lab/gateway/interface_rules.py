"""What AWS refuses of network interfaces and moto doesn't: pure decisions, as in `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.gateway.states import InstanceState
from immtf.lab.gateway.wire import Refusal, groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.lab.gateway.facts import InstanceFacts, InterfaceFacts


def only_primary(form: Mapping[str, str]) -> None:
    """Refuse an instance that is to be made with other interfaces than a new primary one: nothing would stand behind them."""
    for interface in groups(form, "NetworkInterface").values():
        if "NetworkInterfaceId" in interface or interface.get("DeviceIndex", "0") != "0":
            raise Refusal(
                "UnsupportedOperation",
                "The lab makes an instance with a primary interface of its own only: attach others with AttachNetworkInterface",
            )


def one_address(form: Mapping[str, str]) -> str:
    """Give the address that an interface is asked for with, "" for none; refuse more than one, which the lab doesn't make real."""
    asked = {interface.get("PrivateIpAddress", "") for interface in groups(form, "PrivateIpAddresses").values()}
    asked |= {form.get("PrivateIpAddress", "")}
    asked -= {""}
    if len(asked) > 1 or form.get("SecondaryPrivateIpAddressCount", "0") != "0":
        raise Refusal("UnsupportedOperation", "The lab's network interfaces have one private address each")
    return next(iter(asked), "")


def device_index(form: Mapping[str, str]) -> int:
    """Give the device index that is asked for; none, or no number: refused."""
    asked = form.get("DeviceIndex", "")
    if not asked:
        raise Refusal("MissingParameter", "The request must contain the parameter deviceIndex")
    if not asked.isdecimal():
        raise Refusal("InvalidParameterValue", f"Value ({asked}) for parameter deviceIndex is invalid.")
    return int(asked)


def attachable(interface: InterfaceFacts, instance: InstanceFacts, state: InstanceState, index: int) -> None:
    """Refuse an attachment."""
    if state not in {InstanceState.RUNNING, InstanceState.STOPPED}:
        raise Refusal("IncorrectState", f"Instance '{instance.instance_id}' is not 'running' or 'stopped'.")
    if interface.attachment_id:
        raise Refusal("InvalidNetworkInterface.InUse", f"Interface: [{interface.interface_id}] in use.")
    if interface.zone != instance.zone:
        raise Refusal(
            "InvalidParameterCombination",
            "You may not attach a network interface to an instance if they are not in the same availability zone",
        )
    if index in instance.interfaces:
        raise Refusal(
            "InvalidParameterValue", f"Instance '{instance.instance_id}' already has an interface attached at device index '{index}'."
        )


def detachable(interface: InterfaceFacts | None, attachment_id: str) -> InterfaceFacts:
    """Give the interface of an attachment; refuse an attachment that doesn't exist (`None`) and the primary interface."""
    if interface is None:
        raise Refusal("InvalidAttachmentID.NotFound", f"The interface attachment '{attachment_id}' does not exist.")
    secondary(interface)
    return interface


def secondary(interface: InterfaceFacts) -> None:
    """Refuse the primary interface, which comes and goes with its instance."""
    if interface.index == 0:
        raise Refusal("OperationNotPermitted", "The network interface at device index 0 and networkCard index 0 cannot be detached.")


def deletable(interface: InterfaceFacts) -> None:
    """Refuse to delete an interface that is attached, also one that is being detached."""
    if interface.attachment_id:
        raise Refusal("InvalidParameterValue", f"Network interface '{interface.interface_id}' is currently in use.")


def same_attachment(interface: InterfaceFacts, attachment_id: str) -> None:
    """Refuse to change an attachment that isn't the interface's, and that of a primary interface, which goes with its instance."""
    if not interface.attachment_id or interface.attachment_id != attachment_id:
        raise Refusal("InvalidAttachmentID.NotFound", f"The interface attachment '{attachment_id}' does not exist.")
    if interface.index == 0:
        raise Refusal("UnsupportedOperation", "The lab's primary interfaces go with their instances")
