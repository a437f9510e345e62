"""The probe's `KeyValue` port over Consul's KV: any server that answers will do, the last good one first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import consul

from immtf.adapters.consul import FAILURES, speak_as
from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.block import ConsulGate

TIMEOUT_S = 2.0
T = TypeVar("T")


class ConsulKv:
    """Consul's KV over these addresses; not for two threads at once."""

    def __init__(self, gate: ConsulGate, addresses: Sequence[str], environment: Mapping[str, str]) -> None:
        """Make one client a server; connections are kept open between calls."""
        verify = environment.get("CONSUL_CACERT") or True
        token = environment.get(gate.token_env or "CONSUL_HTTP_TOKEN")
        self._clients: list[Any] = [
            consul.Consul(host=host, port=gate.port, scheme=gate.scheme, verify=verify, connections_timeout=TIMEOUT_S) for host in addresses
        ]
        for client in self._clients:
            speak_as(client, token)

    def put(self, key: str, value: str) -> bool:
        try:
            return bool(self._any(lambda client: client.kv.put(key, value)))
        except CloudFailed:
            return False

    def get(self, key: str) -> str | None:
        return self._any(lambda client: _text(client.kv.get(key, consistency="consistent")[1]))

    def get_all(self, prefix: str) -> Mapping[str, str]:
        return self._any(lambda client: _texts(client.kv.get(prefix, recurse=True, consistency="consistent")[1]))

    def _any(self, call: Callable[[Any], T]) -> T:
        """Make the call on the first server that takes it, and keep that one in front."""
        problems = []
        for client in list(self._clients):
            try:
                result = call(client)
            except FAILURES as error:
                problems.append(f"{client.http.host}: {type(error).__name__}")
                continue
            self._clients.remove(client)
            self._clients.insert(0, client)
            return result
        raise CloudFailed(f"no server answers ({'; '.join(problems)})", where="consul")


def _text(row: Mapping[str, Any] | None) -> str | None:
    return (row["Value"] or b"").decode() if row else None


def _texts(rows: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    return {row["Key"]: (row["Value"] or b"").decode() for row in rows or ()}
