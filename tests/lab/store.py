"""The key-value store of Consul, over plain HTTP: what is written is acknowledged by a quorum, what is read is read consistently."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "rehearsal/"
LIMIT_S = 5.0
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Store:
    """A store with servers at these addresses."""

    addresses: Iterable[str]

    def write(self, count: int, *, value: str = "value") -> dict[str, str]:
        """Write so many keys; return them."""
        keys = {f"{PREFIX}{value}/{number:04d}": f"{value} {number}" for number in range(count)}
        for key, content in keys.items():
            assert self._ask(f"kv/{key}", content.encode()) == b"true", f"{key} was not acknowledged"
        return keys

    def read(self) -> dict[str, str]:
        """Read every key that was written here."""
        rows = json.loads(self._ask(f"kv/{PREFIX}?recurse&consistent"))
        return {row["Key"]: base64.b64decode(row["Value"]).decode() for row in rows}

    def leader(self) -> str:
        """Return the address of the server that leads."""
        return str(json.loads(self._ask("status/leader"))).partition(":")[0]

    def _ask(self, path: str, content: bytes | None = None) -> bytes:
        """Ask one server after the other, for a while: a cluster that elects a leader answers again."""
        deadline, last = time.monotonic() + PATIENCE_S, ""
        while time.monotonic() < deadline:
            for address in self.addresses:
                request = Request(f"http://{address}:8500/v1/{path}", data=content, method="PUT" if content else "GET")
                try:
                    with build_opener(ProxyHandler({})).open(request, timeout=LIMIT_S) as answer:
                        return bytes(answer.read())
                except (URLError, OSError) as error:
                    last = f"{address}: {error}"
            time.sleep(0.5)
        raise AssertionError(f"no server answers: {last}")
