"""A strict registry of images on loopback: it answers what the OCI distribution API says, in pages, and behind a token if it is told so."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TOKEN = "anybodys"


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class Registry:
    """Images by name and tag. `page` tags are in an answer; `token`: only with one, that anybody gets; `password`: no token for anybody.

    `elsewhere`: blobs are sent for to another path; `lying`: blobs are not what their digests say.
    """

    page: int = 2
    token: bool = False
    password: bool = False
    basic: bool = False
    elsewhere: bool = False
    lying: bool = False
    away: str = ""
    broken: int = 0
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def push(self, name: str, tag: str, labels: Mapping[str, str] | None, *, index: bool = False) -> str:
        """Put an image there and return the digest of its manifest."""
        config = json.dumps({"config": {"Labels": labels}} if labels is not None else {}).encode()
        self.blobs[digest_of(config)] = config
        digest = self._keep(MANIFEST, {"schemaVersion": 2, "config": {"digest": digest_of(config)}, "layers": []})
        named = digest
        if index:
            machines = [
                {"digest": "sha256:0", "platform": {"architecture": "unknown"}},
                {"digest": digest, "platform": {"architecture": "amd64"}},
            ]
            named = self._keep(INDEX, {"schemaVersion": 2, "manifests": machines})
        self.tags.setdefault(name, {})[tag] = named
        return digest

    def _keep(self, kind: str, document: Mapping[str, Any]) -> str:
        body = json.dumps(document).encode()
        self.manifests[digest_of(body)] = (kind, body)
        return digest_of(body)

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.asked.append(path)
        parts = urlsplit(path)
        if self.broken:
            return self.broken, {}, b""
        if parts.path == "/token":
            return self._tokens(parse_qs(parts.query))
        if parts.path.startswith("/stored/"):
            if "Authorization" in headers:
                return 400, {}, b"a token is for the registry only"
            return 200, {}, self.blobs[parts.path.removeprefix("/stored/")]
        if self.basic or ((self.token or self.password) and headers.get("Authorization") != f"Bearer {TOKEN}"):
            way = 'Basic realm="here"' if self.basic else f'Bearer realm="{self.url}/token",service="here"'
            return 401, {"WWW-Authenticate": way}, b"{}"
        return self._of_name(parts.path, parse_qs(parts.query), headers)

    def _tokens(self, query: Mapping[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        if not query["scope"][0].endswith(":pull"):
            return 400, {}, b""
        return (401, {}, b"") if self.password else (200, {}, json.dumps({"token": TOKEN}).encode())

    def _of_name(self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        name, _, rest = path.removeprefix("/v2/").rpartition("/")
        name, _, kind = name.rpartition("/")
        if name not in self.tags:
            return 404, {}, b'{"errors": []}'
        if (kind, rest) == ("tags", "list"):
            return self._list(name, query.get("last", [""])[0])
        if kind == "manifests":
            digest = self.tags[name].get(rest, rest)
            media, body = self.manifests[digest]
            if media not in headers["Accept"]:
                return 406, {}, b""
            return 200, {"Content-Type": media, "Docker-Content-Digest": digest}, body
        if self.elsewhere:
            return 307, {"Location": f"/stored/{rest}"}, b""
        return 200, {}, b"{}" if self.lying else self.blobs[rest]

    def _list(self, name: str, last: str) -> tuple[int, dict[str, str], bytes]:
        tags = [tag for tag in sorted(self.tags[name]) if tag > last]
        more = {"Link": f'<{self.away}/v2/{name}/tags/list?last={tags[self.page - 1]}>; rel="next"'} if len(tags) > self.page else {}
        return 200, more, json.dumps({"name": name, "tags": tags[: self.page]}).encode()


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """Serve it on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = registry.answer(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
