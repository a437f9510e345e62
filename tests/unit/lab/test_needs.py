"""What a lab fetches follows from the blocks that it carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from immtf.lab.needs import tools_for
from immtf.lab.toolchain import ALL, ETCD
from immtf.model.block import Block, Cluster, ConsulGate, EtcdGate, Gate, TcpGate


def make_block(*gates: Gate) -> Block:
    clusters = {f"c{number}": Cluster(f"c{number}", "module.x", (gate,)) for number, gate in enumerate(gates)}
    return Block("b", "1.0.0", Path("/b"), Path("/b/immtf.yaml"), Path("/b"), clusters=clusters)


@pytest.mark.parametrize(
    ("blocks", "etcd"),
    [
        ([], False),
        ([make_block(ConsulGate(), TcpGate(port=2379))], False),
        ([make_block(ConsulGate()), make_block(TcpGate(port=1), EtcdGate())], True),
    ],
    ids=["none", "consul", "both"],
)
def test_etcd_is_for_blocks_that_ask_one(blocks: list[Block], etcd: bool) -> None:
    assert tools_for(blocks) == ((*ALL, ETCD) if etcd else ALL)
