"""One HTTP exchange, bounded as a whole: its time, its size, and whom it speaks to.

A socket's timeout is for one read: a server that sends a byte now and then would hold its caller for ever. Here one deadline holds
for connecting, TLS, sending and reading together: at the deadline the connection is shut down, whoever waits on it. No proxy is
used (a gate asks an instance itself), no redirect is followed (it is an answer of its own), and of a body only so much is read.
Only the lookup of a name has its limit from the system's resolver.
"""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from urllib.parse import SplitResult

CHUNK = 65_536
SCHEMES = {"http": 80, "https": 443}
FAILURES = (OSError, ValueError, http.client.HTTPException)
"""Whatever an exchange may raise: `TimeoutError` at the deadline, other `OSError` of the network or TLS, the rest for what is no HTTP."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is believed over TLS; `server_name` is the name that the certificate must be for, "" for the URL's."""

    context: ssl.SSLContext
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; the body is not `whole` where it went on after the size that was wanted."""

    status: int
    headers: Message
    body: bytes
    whole: bool


def exchange(
    method: str,
    url: str,
    *,
    timeout_s: float,
    read_at_most: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    trust: Trust | None = None,
) -> Reply:
    """Ask once and return the reply, whatever its status, within `timeout_s` seconds. Raises one of `FAILURES`."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError("not a URL that can be asked")
    deadline = time.monotonic() + timeout_s
    with _connected(parts, deadline) as sock, _cut_off(sock, deadline):
        begun: list[http.client.HTTPResponse] = []
        try:
            link = http.client.HTTPConnection(parts.hostname, parts.port)
            link.sock = _secured(sock, parts, trust)
            with link.sock:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                link.request(method, target, body=body, headers={"User-Agent": "immtf", "Connection": "close", **(headers or {})})
                begun.append(link.getresponse())
                reply = _read(begun[0], read_at_most)
        except FAILURES as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:  # cut off, however that looks from here
                raise _too_late(begun) from error
            raise
        if time.monotonic() >= deadline:  # an end without a stated length looks the same cut off and complete
            raise _too_late(begun)
        return reply


def _too_late(begun: list[http.client.HTTPResponse]) -> TimeoutError:
    return TimeoutError("the answer did not end in time" if begun else "no answer in time")


def _read(answer: http.client.HTTPResponse, at_most: int) -> Reply:
    body = bytearray()
    while len(body) <= at_most and (part := answer.read1(CHUNK)):
        body += part
    whole = len(body) <= at_most
    if whole and answer.length:
        raise http.client.IncompleteRead(bytes(body), answer.length)
    return Reply(answer.status, answer.headers, bytes(body[:at_most]), whole)


@contextmanager
def _connected(parts: SplitResult, deadline: float) -> Iterator[socket.socket]:
    """Connect to the first of the host's addresses that takes it, within what is left of the time."""
    last: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        parts.hostname, parts.port or SCHEMES[parts.scheme], type=socket.SOCK_STREAM
    ):
        with socket.socket(family, kind, protocol) as sock:
            try:
                sock.settimeout(_left(deadline))
                sock.connect(address)
            except OSError as error:
                last = error
                continue
            yield sock
            return
    raise last


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


@contextmanager
def _cut_off(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut the connection down at the deadline, by a handle of its own: TLS takes the socket over."""
    handle = sock.dup()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _shut, [handle])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # before its handle is closed: the number might be another socket's by then
        handle.close()


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _secured(sock: socket.socket, parts: SplitResult, trust: Trust | None) -> socket.socket:
    """Return the socket to speak HTTP over."""
    if parts.scheme == "http":
        return sock
    trust = trust or Trust(system_trust())
    return trust.context.wrap_socket(sock, server_hostname=trust.server_name or parts.hostname)


@functools.cache
def system_trust() -> ssl.SSLContext:
    """Return the TLS context with the certificates that this machine trusts; read once, as that takes its time."""
    return ssl.create_default_context()
