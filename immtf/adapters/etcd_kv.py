"""The probe's `KeyValue` port over etcd's key space: any server that answers will do, the last good one first. Reads are linearizable."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from immtf.adapters.etcd_answers import identity
from immtf.adapters.etcd_client import FAILURES, access, server, told
from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.block import EtcdGate

TIMEOUT_S = 2.0


class EtcdKv:
    """etcd's keys over these addresses; not for two threads at once."""

    def __init__(self, gate: EtcdGate, addresses: Sequence[str], environment: Mapping[str, str]) -> None:
        """Make one client a server. Raises `CloudFailed` where the user or a file of TLS can't be used."""
        try:
            self._means = access(gate, environment)
        except OSError as error:
            raise CloudFailed(str(error), where="etcd") from error
        self._servers = [(host, server(gate, host, self._means, lambda: TIMEOUT_S)) for host in addresses]

    def put(self, key: str, value: str) -> bool:
        try:
            self._any("kv/put", key=_coded(key.encode()), value=_coded(value.encode()))
        except CloudFailed:
            return False
        return True

    def get(self, key: str) -> str | None:
        return self._range(key=_coded(key.encode())).get(key)

    def get_all(self, prefix: str) -> Mapping[str, str]:
        first = prefix.encode()
        return self._range(key=_coded(first), range_end=_coded(first[:-1] + bytes([first[-1] + 1])))  # UTF-8 has no byte 255

    def _range(self, **body: str) -> dict[str, str]:
        return self._any("kv/range", **body)

    def _any(self, call: str, **body: str) -> dict[str, str]:
        """Make the call on the first server that takes it, and keep that one in front; return the keys it answers with."""
        problems = []
        for host, asked in list(self._servers):
            try:
                answer = asked.ask(call, **body)
                found = _keys(answer)
            except FAILURES as error:
                problems.append(f"{host}: {told(error, self._means)}")
                continue
            self._servers.remove((host, asked))
            self._servers.insert(0, (host, asked))
            return found
        raise CloudFailed(f"no server answers ({'; '.join(problems)})", where="etcd")


def _keys(answer: dict[str, Any]) -> dict[str, str]:
    """Read an answer, which every server signs with its cluster and a revision. Raises `TypeError` where it is none."""
    header = answer.get("header")
    if not isinstance(header, dict):
        raise TypeError("no header")
    identity(header, "cluster_id")
    identity(header, "revision")
    rows = answer.get("kvs", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("kvs is no list of keys")
    return {_decoded(row["key"]): _decoded(row.get("value", "")) for row in rows}


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a key or value is {type(text).__name__}, wanted str")
    return base64.b64decode(text, validate=True).decode()
