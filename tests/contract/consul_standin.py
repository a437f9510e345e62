"""A stand-in for Consul's HTTP API: small real servers, one on each loopback address, that say what a test scripts.

What is not scripted is answered for a whole cluster: every server names the leader, all vote and are caught up.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

LEADER, RAFT, HEALTH = "/v1/status/leader", "/v1/operator/raft/configuration", "/v1/operator/autopilot/health"
TRANSFER, PEER, KV = "/v1/operator/raft/transfer-leader", "/v1/operator/raft/peer", "/v1/kv/"
LEAVE = "/v1/agent/leave"
HANG_S = 6.0


@dataclass
class Script:
    """One answer: a status and a body (text, or anything as JSON), after `hang_s` seconds; or `raw`, as it is, a byte each `drip_s`."""

    body: Any = None
    status: int = 200
    hang_s: float = 0.0
    raw: bytes = b""
    drip_s: float = 0.0
    location: str = ""


@dataclass
class Standin:
    """The servers. `scripts` are by (address, path); `asked` are (address, method, path, token). `stale` are addresses of dead peers,
    `gone` of those that left.
    """

    addresses: list[str]
    port: int = 0
    leader: str = ""
    lag: dict[str, int] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    stale: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    scripts: dict[tuple[str, str], Script] = field(default_factory=dict)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    store: dict[str, str] = field(default_factory=dict)
    forgetful: bool = False
    servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)

    def answer(self, address: str, method: str, path: str, query: str, body: bytes) -> Script:
        """Return what a server says."""
        if script := self.scripts.get((address, path)):
            return script
        if path in {LEADER, RAFT, HEALTH}:
            return self._told(path)
        if path == PEER and method == "DELETE":
            return self._strike(query.removeprefix("id=id-"))
        if path == LEAVE and method == "PUT":
            self.gone.add(address)
            return Script("")
        if path == TRANSFER and query.startswith("id=id-"):
            self.leader = query.removeprefix("id=id-")
            return Script({"Success": True})
        return self._kv(method, path.removeprefix(KV), query, body) if path.startswith(KV) else Script("no such page", 404)

    def _told(self, path: str) -> Script:
        everybody = [item for item in (*self.addresses, *self.stale) if item not in self.gone]
        if path == LEADER:
            return Script(f"{self.leader}:8300" if self.leader else "")
        if path == RAFT:
            return Script({"Servers": [self._peer(item) for item in everybody]})
        dead = {*self.sick, *self.stale}
        return Script({"Healthy": not dead, "Servers": [self._health(item) for item in everybody]}, 429 if dead else 200)

    def _peer(self, item: str) -> dict[str, Any]:
        return {"ID": f"id-{item}", "Address": f"{item}:8300", "Voter": True, "Leader": item == self.leader}

    def _strike(self, item: str) -> Script:
        if item not in self.stale:
            return Script(f'id "id-{item}" was not found in the Raft configuration', 500)
        self.stale.remove(item)
        return Script("")

    def _health(self, item: str) -> dict[str, Any]:
        return {
            "ID": f"id-{item}",
            "Healthy": item not in {*self.sick, *self.stale},
            "Voter": True,
            "LastIndex": 1_000 - self.lag.get(item, 0),
        }

    def _kv(self, method: str, key: str, query: str, body: bytes) -> Script:
        import base64

        if method == "PUT":
            if not self.forgetful:
                self.store[key] = body.decode()
            return Script(True)
        found = {name: value for name, value in self.store.items() if name == key or ("recurse" in query and name.startswith(key))}
        rows = [{"Key": name, "Value": base64.b64encode(value.encode()).decode(), "ModifyIndex": 1} for name, value in found.items()]
        return Script(rows) if rows else Script("", 404)

    def down(self, address: str) -> None:
        """End one server; its port refuses from then on."""
        server = self.servers.pop(address)
        server.shutdown()
        server.server_close()


Served = TypeVar("Served", bound=Standin)


@contextmanager
def standin(*addresses: str, port: int = 0) -> Iterator[Standin]:
    """Serve on one port of all these addresses (0 is any); the first one leads."""
    with served(Standin(list(addresses), port, leader=addresses[0])) as made:
        yield made


@contextmanager
def served(made: Served) -> Iterator[Served]:
    """Serve on one port of all addresses of a stand-in."""
    try:
        for address in made.addresses:
            server = ThreadingHTTPServer((address, made.port), _handler(made, address))
            server.daemon_threads = True
            made.port, made.servers[address] = server.server_port, server
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
    finally:
        for address in list(made.servers):
            made.down(address)


def _handler(made: Standin, address: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path, _, query = self.path.partition("?")
            made.asked.append((address, self.command, path, self.headers.get("X-Consul-Token") or self.headers.get("Authorization", "")))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = made.answer(address, self.command, path, query, body)
            time.sleep(said.hang_s)
            if said.raw:
                self._drip(said)
                return
            text = said.body if isinstance(said.body, str) and path != LEADER else json.dumps(said.body)
            data = text.encode()
            try:
                self.send_response(said.status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Consul-Index", "1")
                if said.location:
                    self.send_header("Location", said.location)
                self.end_headers()
                self.wfile.write(data)
            except OSError:  # who asked has gone
                self.close_connection = True

        def _drip(self, said: Script) -> None:
            self.close_connection = True
            pieces = [said.raw[place : place + 1] for place in range(len(said.raw))] if said.drip_s else [said.raw]
            with suppress(OSError):  # who asked has gone
                for piece in pieces:
                    self.wfile.write(piece)
                    time.sleep(said.drip_s)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            return

    return Handler
