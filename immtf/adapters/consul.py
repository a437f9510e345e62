"""The `Service` port over Consul's HTTP API: each server asked itself, side by side, within a time limit.

py-consul's operator.raft_config and status calls send no token of their own (1.8.0), so it is set on the session. The variable
CONSUL_HTTP_TOKEN would win over a token given; the gate's `token_env` says which variable is meant. CONSUL_CACERT is honoured here.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import consul
import requests

from immtf.errors import CloudFailed
from immtf.model.service import Answer, Peer, ServiceView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.block import ConsulGate
    from immtf.model.names import NodeId

FAILURES = (consul.ConsulException, requests.RequestException, ValueError, KeyError, TypeError, AttributeError)
SIDE_BY_SIDE = 16


class ConsulService:
    """Consul's servers, asked through their own addresses. `environment` gives tokens and the CA file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Keep the environment; no call is made yet."""
        self._environment = environment

    def view(self, gate: ConsulGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            futures = {node: pool.submit(self._leader, gate, address) for node, address in addresses.items()}
            answers = {node: future.result() for node, future in futures.items()}
        problems = []
        for address in _by_promise(answers, addresses):
            try:
                return ServiceView(addresses=addresses, answers=answers, peers=self._peers(gate, address))
            except FAILURES as error:
                problems.append(f"{address}: {_told(error)}")
        problem = "no server tells the Raft configuration" + "".join(f"; {item}" for item in problems)
        return ServiceView(addresses=addresses, answers=answers, problem=problem)

    def hand_over(self, gate: ConsulGate, leader: str, to: str) -> str:
        try:
            api = self._api(gate, leader)
            identity = next(row["ID"] for row in api.operator.raft_config()["Servers"] if _host(row["Address"]) == to)
            taken = api.operator.raft_transfer_leader(peer_id=identity)
        except (*FAILURES, StopIteration) as error:
            raise CloudFailed(f"Consul did not transfer leadership ({_told(error)})", where=leader) from error
        if not taken:  # 404: before Consul 1.15 there is no such call
            raise CloudFailed("this Consul does not know how to transfer leadership", where=leader)
        return f"leadership transferred to {to}"

    def _leader(self, gate: ConsulGate, address: str) -> Answer:
        if not address:
            return Answer(problem="no instance")
        try:
            return Answer(leader=_host(str(self._api(gate, address).status.leader() or "")))
        except FAILURES as error:
            return Answer(problem=_told(error))

    def _peers(self, gate: ConsulGate, address: str) -> tuple[Peer, ...]:
        operator = self._api(gate, address).operator
        configuration = operator.raft_config()["Servers"]
        health = {row["ID"]: row for row in operator.autopilot_health()["Servers"]}
        newest = max((row["LastIndex"] for row in health.values()), default=0)
        return tuple(_peer(row, health.get(row["ID"]), newest) for row in configuration)

    def _api(self, gate: ConsulGate, address: str) -> Any:
        verify = self._environment.get("CONSUL_CACERT") or True
        api = consul.Consul(host=address, port=gate.port, scheme=gate.scheme, verify=verify, connections_timeout=gate.timeout_s)
        speak_as(api, self._environment.get(gate.token_env or "CONSUL_HTTP_TOKEN"))
        return api


def speak_as(api: Any, token: str | None) -> None:
    """Give a client the token that is meant, and no other; and let it speak to its server itself, through no proxy."""
    api.token = token
    api.http.session.trust_env = False
    if token:
        api.http.session.headers["X-Consul-Token"] = token


def _peer(row: Mapping[str, Any], health: Mapping[str, Any] | None, newest: int) -> Peer:
    return Peer(
        identity=row["ID"],
        address=_host(row["Address"]),
        voter=bool(row["Voter"]),
        healthy=bool(health["Healthy"]) if health else None,
        lag=max(0, newest - health["LastIndex"]) if health else None,
    )


def _by_promise(answers: Mapping[NodeId, Answer], addresses: Mapping[NodeId, str]) -> list[str]:
    """Return the addresses of servers that answered, the leader first: its view of the others' health is the freshest."""
    answered = {addresses[node]: answer for node, answer in answers.items() if not answer.problem and answer.leader}
    return sorted(answered, key=lambda address: (answered[address].leader != address, address))


def _host(address: str) -> str:
    """Return the host of `host:port`, also of `[v6]:port`."""
    return address.rpartition(":")[0].strip("[]")


def _told(error: Exception) -> str:
    """Return one short line of what an exception says."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "can't be connected to"
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"
