"""What a clustered service says of itself: every server asked on its own, and nobody believed alone.

A `ServiceView` holds what each expected server answered and what the consensus configuration lists. Who is not in it, or
whose answer could not be read, is unknown: and unknown is unhealthy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server said when it was asked itself; `leader` is the address it names, `problem` why it could not be read."""

    leader: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the consensus configuration: the identity in the data, the address, vote, and health as the leader sees it.

    `lag` is the number of log entries behind the leader; None where it is not known.
    """

    identity: str
    address: str
    voter: bool
    healthy: bool | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class ServiceView:
    """The service at one moment. `addresses` are those of the nodes that Terraform has; addresses carry no port."""

    addresses: Mapping[NodeId, str] = field(default_factory=dict)
    answers: Mapping[NodeId, Answer] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    problem: str = ""

    def peer(self, node: NodeId) -> Peer | None:
        """Return the node's row of the configuration, found by its address."""
        address = self.addresses.get(node, "")
        return next((peer for peer in self.peers if address and peer.address == address), None)

    def leader(self) -> NodeId | None:
        """Return the node that every answer names as leader, or None where they name none or don't agree."""
        named = {answer.leader for answer in self.answers.values() if not answer.problem}
        if len(named) != 1:
            return None
        return next((node for node, address in self.addresses.items() if address and address in named), None)
