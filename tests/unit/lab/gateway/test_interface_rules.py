from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.lab.gateway import interface_rules as rules
from immtf.lab.gateway.facts import InstanceFacts, InterfaceFacts
from immtf.lab.gateway.states import InstanceState
from immtf.lab.gateway.wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE = InterfaceFacts("eni-1", "a", "127.9.10.50", "", "", None)
HELD = replace(FREE, attachment_id="eni-attach-1", instance_id="i-1", index=1)
PRIMARY = replace(HELD, index=0)
INSTANCE = InstanceFacts("i-1", "ami-1", "127.9.10.11", "a", "running", "/dev/sda1", {}, {}, interfaces={0: "eni-0", 2: "eni-2"})


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(Refusal) as caught:
        yield
    assert caught.value.code == code


@pytest.mark.parametrize("state", InstanceState)
def test_interfaces_go_into_running_or_stopped_instances_only(state: InstanceState) -> None:
    if state in {InstanceState.RUNNING, InstanceState.STOPPED}:
        rules.attachable(FREE, INSTANCE, state, 1)
        return
    with refused("IncorrectState"):
        rules.attachable(FREE, INSTANCE, state, 1)


@pytest.mark.parametrize(
    ("interface", "index", "code"),
    [
        (HELD, 1, "InvalidNetworkInterface.InUse"),
        (replace(FREE, zone="b"), 1, "InvalidParameterCombination"),
        (FREE, 0, "InvalidParameterValue"),
        (FREE, 2, "InvalidParameterValue"),
    ],
)
def test_an_attachment_needs_a_free_interface_in_the_zone_and_a_free_index(interface: InterfaceFacts, index: int, code: str) -> None:
    with refused(code):
        rules.attachable(interface, INSTANCE, InstanceState.RUNNING, index)


def test_a_detach_is_of_an_attachment_that_is_there_and_not_the_first() -> None:
    assert rules.detachable(HELD, "eni-attach-1") is HELD
    with refused("InvalidAttachmentID.NotFound"):
        rules.detachable(None, "eni-attach-2")
    with refused("OperationNotPermitted"):
        rules.detachable(PRIMARY, "eni-attach-1")


def test_what_is_attached_is_not_deleted() -> None:
    rules.deletable(FREE)
    with refused("InvalidParameterValue"):
        rules.deletable(HELD)


def test_only_the_interfaces_own_attachment_is_changed_and_no_primary_one() -> None:
    rules.same_attachment(HELD, "eni-attach-1")
    for interface in (HELD, FREE):
        with refused("InvalidAttachmentID.NotFound"):
            rules.same_attachment(interface, "")
    with refused("UnsupportedOperation"):
        rules.same_attachment(PRIMARY, "eni-attach-1")


def test_the_address_is_found_wherever_it_may_stand_and_is_one() -> None:
    nested = {"PrivateIpAddresses.1.PrivateIpAddress": "a", "PrivateIpAddresses.1.Primary": "true"}
    assert rules.one_address({}) == ""
    assert rules.one_address({"PrivateIpAddress": "a"}) == "a"
    assert rules.one_address(nested) == "a"
    assert rules.one_address({"PrivateIpAddress": "a", **nested}) == "a"
    for more in ({"PrivateIpAddress": "b"}, {"PrivateIpAddresses.2.PrivateIpAddress": "b"}, {"SecondaryPrivateIpAddressCount": "1"}):
        with refused("UnsupportedOperation"):
            rules.one_address(nested | more)


def test_a_device_index_is_a_number() -> None:
    assert rules.device_index({"DeviceIndex": "1"}) == 1
    with refused("MissingParameter"):
        rules.device_index({})
    with refused("InvalidParameterValue"):
        rules.device_index({"DeviceIndex": "-1"})


def test_an_instance_is_made_with_its_primary_interface_only() -> None:
    rules.only_primary({"NetworkInterface.1.DeviceIndex": "0", "NetworkInterface.1.SubnetId": "s"})
    rules.only_primary({"NetworkInterface.1.SubnetId": "s"})
    for more in ({"NetworkInterface.2.DeviceIndex": "1"}, {"NetworkInterface.1.NetworkInterfaceId": "eni-1"}):
        with refused("UnsupportedOperation"):
            rules.only_primary({"NetworkInterface.1.DeviceIndex": "0"} | more)
