from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.lab.gateway import rules
from immtf.lab.gateway.facts import Disk, InstanceFacts, VolumeFacts
from immtf.lab.gateway.states import InstanceState
from immtf.lab.gateway.wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VOLUME = VolumeFacts("vol-1", "a", "", "", "", "")
HELD = replace(VOLUME, instance_id="i-1", device="/dev/xvdf")
INSTANCE = InstanceFacts(
    "i-1", "ami-1", "127.9.10.11", "a", "running", "/dev/sda1", {"/dev/sda1": Disk("vol-0", deleted_with_instance=True)}, {}
)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(Refusal) as caught:
        yield
    assert caught.value.code == code


def test_an_image_must_be_there_and_ready() -> None:
    rules.image_usable("ami-1", "available")
    with refused("InvalidAMIID.NotFound"):
        rules.image_usable("ami-1", None)
    with refused("InvalidAMIID.Unavailable"):
        rules.image_usable("ami-1", "pending")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("127.9.10.4", ""),
        ("127.9.10.254", ""),
        ("127.9.10.3", "InvalidParameterValue"),
        ("127.9.10.255", "InvalidParameterValue"),
        ("127.9.11.4", "InvalidParameterValue"),
        ("127.9.10.11", "InvalidIPAddress.InUse"),
    ],
)
def test_an_address_must_be_free(address: str, code: str) -> None:
    if not code:
        rules.address_free(address, "127.9.10.0/24", {"127.9.10.11"})
        return
    with refused(code):
        rules.address_free(address, "127.9.10.0/24", {"127.9.10.11"})


ALLOWED: list[tuple[Callable[[str, InstanceState], None], set[str]]] = [
    (rules.startable, {"stopped", "running", "pending"}),
    (rules.stoppable, {"running", "stopping", "stopped"}),
    (rules.rebootable, {"running"}),
]


@pytest.mark.parametrize(("rule", "allowed"), ALLOWED)
@pytest.mark.parametrize("state", InstanceState)
def test_a_change_of_state_begins_in_the_right_state(
    rule: Callable[[str, InstanceState], None], allowed: set[str], state: InstanceState
) -> None:
    if state in allowed:
        rule("i-1", state)
        return
    with refused("IncorrectInstanceState"):
        rule("i-1", state)


@pytest.mark.parametrize("state", InstanceState)
def test_volumes_go_into_running_or_stopped_instances_only(state: InstanceState) -> None:
    if state in {InstanceState.RUNNING, InstanceState.STOPPED}:
        rules.attachable(VOLUME, "available", INSTANCE, state, "/dev/xvdf", {})
        return
    with refused("IncorrectState"):
        rules.attachable(VOLUME, "available", INSTANCE, state, "/dev/xvdf", {})


@pytest.mark.parametrize(
    ("volume", "state", "device", "code"),
    [
        (HELD, "available", "/dev/xvdf", "VolumeInUse"),
        (VOLUME, "creating", "/dev/xvdf", "IncorrectState"),
        (VOLUME, "deleting", "/dev/xvdf", "IncorrectState"),
        (replace(VOLUME, zone="b"), "available", "/dev/xvdf", "InvalidVolume.ZoneMismatch"),
        (VOLUME, "available", "/dev/xvdg", "InvalidParameterValue"),
        (VOLUME, "available", "", "MissingParameter"),
    ],
)
def test_an_attachment_needs_a_free_volume_in_the_zone_and_a_free_device(volume: VolumeFacts, state: str, device: str, code: str) -> None:
    with refused(code):
        rules.attachable(volume, state, INSTANCE, InstanceState.RUNNING, device, {"/dev/xvdg": "vol-2"})


@pytest.mark.parametrize(
    ("volume", "instance_id", "device", "code"),
    [
        (VOLUME, "i-1", "", "IncorrectState"),
        (HELD, "i-2", "", "InvalidAttachment.NotFound"),
        (HELD, "i-1", "/dev/xvdg", "InvalidAttachment.NotFound"),
        (replace(HELD, device="/dev/sda1"), "i-1", "", "OperationNotPermitted"),
    ],
)
def test_a_detach_is_of_what_is_there(volume: VolumeFacts, instance_id: str, device: str, code: str) -> None:
    with refused(code):
        rules.detachable(volume, instance_id, device, "/dev/sda1")


def test_a_detach_may_leave_out_where_the_volume_is() -> None:
    rules.detachable(HELD, "", "", "/dev/sda1")
    rules.detachable(HELD, "i-1", "/dev/xvdf", "/dev/sda1")


def test_protection_and_use_are_respected() -> None:
    rules.endable("i-1", protected=False)
    rules.deletable(VOLUME, "error")
    rules.snapshot_ready("snap-1", "completed")
    with refused("OperationNotPermitted"):
        rules.endable("i-1", protected=True)
    with refused("VolumeInUse"):
        rules.deletable(HELD, "available")
    with refused("IncorrectState"):
        rules.deletable(VOLUME, "deleting")
    with refused("IncorrectState"):
        rules.snapshot_ready("snap-1", "pending")


def test_a_token_stands_for_one_set_of_parameters() -> None:
    rules.same_parameters("t", {"a": "1"}, {"a": "1"})
    with refused("IdempotentParameterMismatch"):
        rules.same_parameters("t", {"a": "1"}, {"a": "2"})
