from __future__ import annotations

import pytest

from immtf.model.block import CommandGate, ConsulGate, EtcdGate, Gate, HttpGate, MountedGate, TcpGate


@pytest.mark.parametrize(
    ("gate", "identity"),
    [
        (MountedGate(), "mounted"),
        (ConsulGate(expect=3), "consul"),
        (ConsulGate(name="east"), "consul:east"),
        (EtcdGate(expect=3), "etcd"),
        (EtcdGate(name="east"), "etcd:east"),
        (HttpGate(url="http://{address}:8080/health"), "http:8080"),
        (HttpGate(url="http://{address}/"), "http:80"),
        (HttpGate(url="https://{address}/"), "http:443"),
        (TcpGate(port=5432), "tcp:5432"),
        (CommandGate(run="true"), "command"),
        (CommandGate(run="true", name="ready"), "command:ready"),
    ],
)
def test_a_gate_is_known_by_its_kind_and_what_tells_it_apart(gate: Gate, identity: str) -> None:
    assert gate.id == identity


@pytest.mark.parametrize(
    ("gate", "variable"), [(ConsulGate(token_env="MINE"), "MINE"), (EtcdGate(user_env="MINE"), "MINE"), (EtcdGate(), None)]
)
def test_a_service_s_gate_tells_where_its_secret_is(gate: ConsulGate | EtcdGate, variable: str | None) -> None:
    assert gate.secret_env == variable
