"""What the cloud means by its error codes: which faults pass, which a person mends, and which say only "look again".

The code is the same whether immtf called or Terraform's provider did. A code that isn't known is no fault of these kinds: it is
raised as it is.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Fault(StrEnum):
    """A kind of fault of the cloud."""

    THROTTLED = "throttled"  # too many calls: nothing was done, and nothing is known
    BROKEN = "broken"  # the API's own fault, or the way to it: whether anything was done is not known
    CREDENTIALS = "credentials"  # expired, or refused
    IN_BETWEEN = "in between"  # the thing is between two states
    NO_CAPACITY = "no capacity"
    ADDRESS_IN_USE = "address in use"
    VOLUME_IN_USE = "volume in use"


UNREACHABLE = "Unreachable"
"""Our own word, where there was no answer to take a code from."""
AGAIN = "then run the same command again: it goes on from what it finds"
RENEW = f"renew the credentials (a profile's, a role's or those in the environment); {AGAIN}"
LATER = f"wait some minutes; {AGAIN}"

_CODES = {
    Fault.THROTTLED: (
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "SlowDown",
    ),
    Fault.BROKEN: (
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServerInternal",
        "ServiceUnavailable",
        "Unavailable",
        "RequestTimeout",
        "RequestTimeoutException",
        UNREACHABLE,
    ),
    Fault.CREDENTIALS: (
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "TokenRefreshRequired",
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "NoCredentials",
        "NoCredentialProviders",
    ),
    Fault.IN_BETWEEN: ("IncorrectInstanceState", "IncorrectState"),
    Fault.NO_CAPACITY: ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity"),
    Fault.ADDRESS_IN_USE: ("InvalidIPAddress.InUse", "InvalidNetworkInterface.InUse"),
    Fault.VOLUME_IN_USE: ("VolumeInUse",),
}
_FAULTS = {code: fault for fault, codes in _CODES.items() for code in codes}
_WORD = re.compile(r"\b[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b")


def fault_of(code: str) -> Fault | None:
    """Return what kind of fault a code is; None for one that is none of these."""
    return _FAULTS.get(code)


def code_in(text: str) -> str:
    """Return the first known code in what Terraform's provider said; "" where there is none."""
    return next((word for word in _WORD.findall(text) if word in _FAULTS), "")


def passes(code: str) -> bool:
    """Return whether such a fault passes by itself, so that asking again makes sense; what was asked for may have been done or not."""
    return fault_of(code) in {Fault.THROTTLED, Fault.BROKEN}
