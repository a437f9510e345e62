"""The `Knock` port: plain HTTP and TCP checks with a time limit; whatever goes wrong is the reason."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request

from immtf.model.verdict import Verdict

READ_AT_MOST = 1_000_000
CHUNK = 65_536


class Network:
    """Checks from where immtf runs."""

    def http(self, url: str, *, status: int, contains: str | None, timeout_s: float) -> Verdict:
        try:
            code, body = _get(url, timeout_s)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Verdict(held=False, reason=f"{url}: {getattr(error, 'reason', None) or error}")
        if code != status:
            return Verdict(held=False, reason=f"{url} answers {code}, wanted {status}")
        if contains is not None and contains.encode() not in body:
            return Verdict(held=False, reason=f"{url} answers {code} without {contains!r}")
        return Verdict(held=True, reason=f"{url} answers {code}")

    def tcp(self, address: str, port: int, *, timeout_s: float) -> Verdict:
        try:
            socket.create_connection((address, port), timeout=timeout_s).close()
        except OSError as error:
            return Verdict(held=False, reason=f"{address}:{port}: {error}")
        return Verdict(held=True, reason=f"{address}:{port} takes connections")


def _get(url: str, timeout_s: float) -> tuple[int, bytes]:
    """Return what a GET is answered with: the status and the beginning of the body."""
    deadline = time.monotonic() + timeout_s
    request = urllib.request.Request(url, headers={"User-Agent": "immtf"})  # noqa: S310 - the block's file allows http and https only
    try:
        answer = _opener().open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:  # an answer like any other
        answer = error
    with answer:
        body = b""
        while len(body) < READ_AT_MOST and (part := answer.read1(CHUNK)):
            body += part
            if time.monotonic() > deadline:
                raise TimeoutError("the answer did not end in time")
        return answer.status, body


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of its own, not a way to somewhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)
