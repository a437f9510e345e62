from __future__ import annotations

import pytest

from immtf.model.block import CommandGate, ConsulGate, Gate, HttpGate, MountedGate, TcpGate


@pytest.mark.parametrize(
    ("gate", "identity"),
    [
        (MountedGate(), "mounted"),
        (ConsulGate(expect=3), "consul"),
        (ConsulGate(name="east"), "consul:east"),
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
