"""The names of nodes: a node is a place in a cluster, and its name outlives every instance that stood there.

People name a node by `server/a`, by `a` where only one cluster has such a key, or by the address that Terraform prints. All
three are read here, in one place; what can't be read unambiguously is refused with the names that exist, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# `["a"]` with HCL's escapes, or `[0]`.
_INDEX = re.compile(r'\[(?:"((?:[^"\\]|\\.)*)"|(\d+))\]')


@dataclass(frozen=True, order=True, slots=True)
class NodeId:
    """A node: the cluster it belongs to, and its key there."""

    cluster: str
    key: str

    def __str__(self) -> str:
        """Write it as people do: `server/a`."""
        return f"{self.cluster}/{self.key}"


def parse_node(text: str, nodes: Collection[NodeId], *, addresses: Mapping[str, str] | None = None) -> NodeId:
    """Find the node that `text` names among `nodes`.

    `addresses` gives a cluster's place in Terraform (`Cluster.nodes`) by its name; without it the last name of an address is
    taken for the cluster's. Raises `UsageError` where no node or more than one is meant.
    """
    found = _matches(text.strip(), nodes, addresses or {})
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"`{text}` may be any of {_listed(found)}", next=f"name the cluster too, as in `{found[0]}`")
    raise _unknown(text, nodes)


def _matches(text: str, nodes: Collection[NodeId], addresses: Mapping[str, str]) -> list[NodeId]:
    """Return what `text` may mean: the full name wins, then a key alone, then an address."""
    readings = (
        [node for node in nodes if str(node) == text],
        [node for node in nodes if node.key == text],
        [node for node in nodes for head, key in _indexed(text) if node.key == key and _is_place(head, node.cluster, addresses)],
    )
    return next((sorted(set(reading)) for reading in readings if reading), [])


def _indexed(address: str) -> list[tuple[str, str]]:
    """Cut an address at each of its indexes: `module.server["a"].aws_instance.this` gives `("module.server", "a")`."""
    return [
        (address[: index.start()], index[2] if index[1] is None else re.sub(r"\\(.)", r"\1", index[1]))
        for index in _INDEX.finditer(address)
    ]


def _is_place(head: str, cluster: str, addresses: Mapping[str, str]) -> bool:
    """Whether the nodes of `cluster` are at the address `head`."""
    return head == addresses[cluster] if cluster in addresses else head.rpartition(".")[2] == cluster


def _unknown(text: str, nodes: Collection[NodeId]) -> UsageError:
    """Say that there is no such node, which one is near, and which there are."""
    if not nodes:
        return UsageError(f"there is no node `{text}`: no node is known", next="`immtf status` shows what exists")
    names = {str(node): node for node in sorted(nodes)} | {node.key: node for node in sorted(nodes, reverse=True)}
    near = get_close_matches(text, names, n=1)
    meant = f"; did you mean `{names[near[0]]}`?" if near else ""
    return UsageError(f"there is no node `{text}`{meant}", next=f"use one of {_listed(sorted(nodes))}")


def _listed(nodes: list[NodeId]) -> str:
    """Write nodes in a row, cut where a large cluster would fill the screen."""
    shown = 12
    rest = f" and {len(nodes) - shown} more" if len(nodes) > shown else ""
    return ", ".join(str(node) for node in nodes[:shown]) + rest
