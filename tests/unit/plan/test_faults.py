"""Codes of the cloud's faults, in boto3's answers and in what Terraform's provider says."""

from __future__ import annotations

import pytest

from immtf.plan.faults import Fault, code_in, fault_of, passes

SAID = "main.tf:15: aws_instance.this: Error launching source instance: {code}: on order\n\tstatus code: 500, request id: 0"
ATTACH = 'Error attaching volume (vol-1) to instance (i-1), message: "vol-1 is already attached", code: "{code}"'


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("RequestLimitExceeded", Fault.THROTTLED),
        ("ThrottlingException", Fault.THROTTLED),
        ("InternalError", Fault.BROKEN),
        ("ExpiredToken", Fault.CREDENTIALS),
        ("RequestExpired", Fault.CREDENTIALS),
        ("AuthFailure", Fault.CREDENTIALS),
        ("IncorrectInstanceState", Fault.IN_BETWEEN),
        ("InsufficientInstanceCapacity", Fault.NO_CAPACITY),
        ("InvalidIPAddress.InUse", Fault.ADDRESS_IN_USE),
        ("VolumeInUse", Fault.VOLUME_IN_USE),
        ("InvalidInstanceID.NotFound", None),
        ("UnauthorizedOperation", None),
        ("", None),
    ],
)
def test_a_code_is_a_kind_of_fault(code: str, fault: Fault | None) -> None:
    """F24, F25, F41, F42: the same word means the same wherever it comes from."""
    assert fault_of(code) is fault
    for said in (SAID, ATTACH):
        assert code_in(said.format(code=code)) == (code if fault else "")


def test_only_what_passes_by_itself_is_asked_again() -> None:
    """F42: throttling is not "not found", and neither is an API that is broken."""
    assert [code for code in ("Throttling", "Unavailable", "ExpiredToken", "VolumeInUse", "InvalidVolume.NotFound") if passes(code)] == [
        "Throttling",
        "Unavailable",
    ]
