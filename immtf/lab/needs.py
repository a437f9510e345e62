"""What a lab needs of tools for the blocks that it is to carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.toolchain import ALL, ETCD
from immtf.model.block import EtcdGate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from immtf.model.block import Block


def tools_for(blocks: Iterable[Block]) -> tuple[str, ...]:
    """Return the tools that a lab with these blocks needs: etcd only where a gate of theirs speaks to one."""
    gates = [gate for block in blocks for cluster in block.clusters.values() for gate in cluster.gates]
    return (*ALL, ETCD) if any(isinstance(gate, EtcdGate) for gate in gates) else ALL
