"""The probe's `KeyValue` port over Consul's KV: any server that answers will do, the last good one first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from immtf.adapters.consul_client import FAILURES, access, client
from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.block import ConsulGate

TIMEOUT_S = 2.0
T = TypeVar("T")


class ConsulKv:
    """Consul's KV over these addresses; not for two threads at once."""

    def __init__(self, gate: ConsulGate, addresses: Sequence[str], environment: Mapping[str, str]) -> None:
        """Make one client a server. Raises `CloudFailed` where a file of TLS can't be used."""
        try:
            means = access(gate, environment)
        except OSError as error:
            raise CloudFailed(str(error), where="consul") from error
        self._clients: list[tuple[str, Any]] = [(host, client(gate, host, means, lambda: TIMEOUT_S)) for host in addresses]

    def put(self, key: str, value: str) -> bool:
        try:
            return self._any(lambda api: api.kv.put(key, value)) is True
        except CloudFailed:
            return False

    def get(self, key: str) -> str | None:
        return self._any(lambda api: _text(api.kv.get(key, consistency="consistent")[1]))

    def get_all(self, prefix: str) -> Mapping[str, str]:
        return self._any(lambda api: _texts(api.kv.get(prefix, recurse=True, consistency="consistent")[1]))

    def _any(self, call: Callable[[Any], T]) -> T:
        """Make the call on the first server that takes it, and keep that one in front."""
        problems = []
        for host, api in list(self._clients):
            try:
                result = call(api)
            except FAILURES as error:
                problems.append(f"{host}: {type(error).__name__}")
                continue
            self._clients.remove((host, api))
            self._clients.insert(0, (host, api))
            return result
        raise CloudFailed(f"no server answers ({'; '.join(problems)})", where="consul")


def _text(row: Mapping[str, Any] | None) -> str | None:
    return (row["Value"] or b"").decode() if row else None


def _texts(rows: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    return {row["Key"]: (row["Value"] or b"").decode() for row in rows or ()}
