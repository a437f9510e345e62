"""Clustered services of every kind: the gate says which one is spoken to, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from immtf.adapters.consul import ConsulService
from immtf.adapters.consul_kv import ConsulKv
from immtf.adapters.etcd import EtcdService
from immtf.adapters.etcd_kv import EtcdKv
from immtf.model.block import ConsulGate, EtcdGate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.block import ServiceGate
    from immtf.model.names import NodeId
    from immtf.model.service import Peer, ServiceView


class Services:
    """The `Service` port for whatever a gate speaks to. `environment` gives users, tokens and the files of TLS."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Keep the environment; no call is made yet."""
        self._consul = ConsulService(environment)
        self._etcd = EtcdService(environment)

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        match gate:
            case ConsulGate():
                return self._consul.view(gate, addresses)
            case EtcdGate():
                return self._etcd.view(gate, addresses)
            case _:
                assert_never(gate)

    def hand_over(self, gate: ServiceGate, leader: str, to: str) -> str:
        match gate:
            case ConsulGate():
                return self._consul.hand_over(gate, leader, to)
            case EtcdGate():
                return self._etcd.hand_over(gate, leader, to)
            case _:
                assert_never(gate)

    def leave(self, gate: ServiceGate, address: str) -> str:
        match gate:
            case ConsulGate():
                return self._consul.leave(gate, address)
            case EtcdGate():
                return self._etcd.leave(gate, address)
            case _:
                assert_never(gate)

    def remove_peer(self, gate: ServiceGate, via: str, peer: Peer) -> str:
        match gate:
            case ConsulGate():
                return self._consul.remove_peer(gate, via, peer)
            case EtcdGate():
                return self._etcd.remove_peer(gate, via, peer)
            case _:
                assert_never(gate)


def store(gate: ServiceGate, addresses: Sequence[str], environment: Mapping[str, str]) -> ConsulKv | EtcdKv:
    """Return the service's store for the probe, over these addresses. Raises `CloudFailed` where it can't be spoken to."""
    match gate:
        case ConsulGate():
            return ConsulKv(gate, addresses, environment)
        case EtcdGate():
            return EtcdKv(gate, addresses, environment)
        case _:
            assert_never(gate)
