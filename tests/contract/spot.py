"""Loopback addresses for real servers, which listen on ports that can't be chosen: each worker of a test run has its own."""

from __future__ import annotations

import os


def spot(net: int, part: int) -> str:
    """Return the first three octets of addresses that no other worker uses; `net` and `part` (0 to 24) tell the tests of a worker apart."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    return f"127.{net}.{10 * part + worker}"
