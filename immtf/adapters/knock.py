"""The `Knock` port: plain HTTP and TCP checks with a time limit; whatever goes wrong is the reason."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from immtf.model.verdict import Verdict

if TYPE_CHECKING:
    from http.client import HTTPResponse

READ_AT_MOST = 1_000_000
CHUNK = 65_536


class Network:
    """Checks from where immtf runs."""

    def http(self, url: str, *, status: int, contains: str | None, timeout_s: float) -> Verdict:
        deadline = time.monotonic() + timeout_s
        request = urllib.request.Request(url, headers={"User-Agent": "immtf"})  # noqa: S310 - the block's file allows http and https only
        try:
            with _opener().open(request, timeout=timeout_s) as answer:
                code, body = answer.status, _body(answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                code, body = error.code, _body(error, deadline)
        except (OSError, ValueError) as error:
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


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of its own, not a way to somewhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)
