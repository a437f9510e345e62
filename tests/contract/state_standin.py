"""A stand-in for a backend that keeps a state elsewhere: Terraform's own `http` backend against a small real server on loopback.

It keeps the state and the lock, and a test says how often it refuses to take a state. `lock` is the record that Terraform itself sent.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_BACKEND = """terraform {{
  backend "http" {{
    address        = "{url}"
    lock_address   = "{url}"
    unlock_address = "{url}"
    retry_max      = 0
  }}
}}
"""


@dataclass
class StateServer:
    """The kept state as bytes, None where there is none; `refusals` is how many states it still refuses to take (HTTP 500)."""

    url: str = ""
    state: bytes | None = None
    lock: bytes = b""
    refusals: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def backend(self) -> str:
        """The configuration that keeps the state here."""
        return _BACKEND.format(url=self.url)

    @property
    def document(self) -> dict[str, Any]:
        """The kept state."""
        document: dict[str, Any] = json.loads(self.state or b"{}")
        return document

    def answer(self, method: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        self.asked.append(method)
        match method:
            case "GET":
                return (200, self.state) if self.state is not None else (404, b"")
            case "POST" if self.refusals:
                self.refusals -= 1
                return 500, b"not today"
            case "POST":
                self.state = body
            case "LOCK" if self.lock:
                return 423, self.lock
            case "LOCK":
                self.lock = body
            case _:
                self.lock = b""
        return 200, b""


@contextmanager
def state_server() -> Iterator[StateServer]:
    """Run a server on a free port of the loopback address."""
    keeper = StateServer()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = keeper.answer(self.command, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_LOCK = do_UNLOCK = _serve  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    keeper.url = f"http://127.0.0.1:{server.server_port}/state"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield keeper
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
