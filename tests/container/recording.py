"""A machine on a loopback address that hands out a role's credentials, and an AWS that notes by which key each request is signed.

It refuses them all: who is allowed in isn't the question here, but who knocks.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from tests.container.refusing import ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "rehearsal"
KEY = {"AccessKeyId": "AKIAOFTHEROLE", "SecretAccessKey": "secret", "Token": "session", "Expiration": "2099-01-01T00:00:00Z"}
TOKEN = "imds-token"
_SIGNED = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")


@dataclass
class Recorded:
    """The machine at `endpoint`; `knocks` are key, service and session token of each signed request."""

    endpoint: str = ""
    knocks: set[tuple[str, str, str]] = field(default_factory=set)


class _Handler(BaseHTTPRequestHandler):
    recorded: Recorded

    def do_PUT(self) -> None:
        if self.path == "/latest/api/token":  # version 2 of the metadata service: a token first
            self._answer(200, TOKEN.encode(), {"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
        else:
            self._refuse()

    def do_GET(self) -> None:
        place = "/latest/meta-data/iam/security-credentials/"
        if self.path == "/container-role":
            self._answer(200, json.dumps(KEY).encode(), {})
        elif self.path.startswith("/latest/") and self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self._answer(401, b"", {})
        elif self.path == place:
            self._answer(200, ROLE.encode(), {})
        elif self.path == place + ROLE:
            self._answer(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **KEY}).encode(), {})
        else:
            self._refuse()

    def do_POST(self) -> None:
        self._refuse()

    def do_HEAD(self) -> None:
        self._refuse()

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if signed := _SIGNED.search(self.headers.get("Authorization") or ""):
            self.recorded.knocks.add((signed[1], signed[2], self.headers.get("X-Amz-Security-Token") or ""))
        self._answer(401, ANSWER, {})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def recording() -> Iterator[Recorded]:
    """Give the machine while the body runs."""
    recorded = Recorded()
    handler = type("Handler", (_Handler,), {"recorded": recorded})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        recorded.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recorded
        finally:
            server.shutdown()
            thread.join()
