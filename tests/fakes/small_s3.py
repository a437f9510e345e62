"""A small S3 on loopback that keeps objects with conditional writes, and can be told to ignore the conditions, or to refuse."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class SmallS3:
    """Objects by path; `careless` ignores conditions, `refusing` is the code that every call is answered with.

    After `broken_after` writes the credentials have expired.
    """

    objects: dict[str, str] = field(default_factory=dict)
    careless: bool = False
    refusing: str = ""
    puts: list[str] = field(default_factory=list)
    broken_after: int = 1_000_000
    url: str = ""

    def put(self, path: str, body: str, headers: Any) -> tuple[int, str]:
        now = self.objects.get(path)
        fits = now is None if headers.get("If-None-Match") else now is not None and headers.get("If-Match") == etag(now)
        self.puts.append(path)
        if self.refusing:
            return 403, self.refusing
        if len(self.puts) > self.broken_after:
            return 403, "ExpiredToken"
        if not fits and not self.careless:
            return 412, "PreconditionFailed"
        self.objects[path] = body
        return 200, ""

    def get(self, path: str) -> tuple[int, str]:
        if self.refusing:
            return 403, self.refusing
        return (200, "") if path in self.objects else (404, "NoSuchKey")


def etag(body: str) -> str:
    return f'"{hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}"'


@contextmanager
def served(s3: SmallS3) -> Iterator[SmallS3]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers.get("Content-Encoding") == "aws-chunked":
                body = body.split("\r\n")[1]
            self.answer(*s3.put(self.path, body, self.headers))

        def do_GET(self) -> None:
            self.answer(*s3.get(self.path))

        def answer(self, status: int, code: str) -> None:
            body = s3.objects.get(self.path, "")
            sent = f"<Error><Code>{code}</Code><Message>no</Message></Error>" if code else body if self.command == "GET" else ""
            self.send_response(status)
            self.send_header("ETag", etag(body))
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent.encode())

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    s3.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()
