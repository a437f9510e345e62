"""The `Knock` port: plain HTTP and TCP checks with a time limit; whatever goes wrong is the reason.

An instance is asked itself: a proxy of the user's environment is not used, and a redirect is an answer of its own.
"""

from __future__ import annotations

import socket

from immtf.adapters import exchange
from immtf.model.verdict import Verdict

READ_AT_MOST = 1_000_000


class Network:
    """Checks from where immtf runs."""

    def http(self, url: str, *, status: int, contains: str | None, timeout_s: float) -> Verdict:
        try:
            reply = exchange.exchange("GET", url, timeout_s=timeout_s, read_at_most=READ_AT_MOST)
        except exchange.FAILURES as error:
            return Verdict(held=False, reason=f"{url}: {str(error) or type(error).__name__}")
        code = reply.status
        if code != status:
            return Verdict(held=False, reason=f"{url} answers {code}, wanted {status}")
        if contains is not None and contains.encode() not in reply.body:
            return Verdict(held=False, reason=f"{url} answers {code} without {contains!r}")
        return Verdict(held=True, reason=f"{url} answers {code}")

    def tcp(self, address: str, port: int, *, timeout_s: float) -> Verdict:
        try:
            socket.create_connection((address, port), timeout=timeout_s).close()
        except OSError as error:
            return Verdict(held=False, reason=f"{address}:{port}: {error}")
        return Verdict(held=True, reason=f"{address}:{port} takes connections")
