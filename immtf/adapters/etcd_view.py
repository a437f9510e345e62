"""What etcd's servers said, put together: who belongs to the cluster, who leads it, and how each member is.

etcd has no word for a healthy member, so it is derived, and only from what was told: a member is healthy that answered for itself, under
its own id, in the same cluster and the same term as the leader, with the leader's list of members and without an error of its own. Who is
silent is unhealthy for certain only where the leader, or who is asked in its place, has no connection to it either; else it is unknown,
which is not healthy.

An alarm is the whole cluster's: a full quota stops every write, a corruption may be anybody's. So it is a problem of the view.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters.etcd_answers import Connections
from immtf.model.service import Answer, Peer, ServiceView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from immtf.adapters.etcd_answers import Member, Status
    from immtf.model.names import NodeId


@dataclass(frozen=True, slots=True)
class Said:
    """What one server said when it was asked itself; a learner lists no members."""

    status: Status
    members: tuple[Member, ...]

    @property
    def me(self) -> Member | None:
        """Return the server's own row of its list."""
        return self.row(self.status.member)

    def row(self, identity: str) -> Member | None:
        """Return a member's row."""
        return next((member for member in self.members if member.identity == identity), None)

    @property
    def seats(self) -> frozenset[tuple[str, bool]]:
        """Return who is a member, and who of them votes."""
        return frozenset((member.identity, member.voter) for member in self.members)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one server tells for all: alarms as member and kind, and to whom it has a connection."""

    alarms: frozenset[tuple[str, str]]
    connections: Connections = field(default_factory=Connections)


def assemble(addresses: Mapping[NodeId, str], said: Mapping[NodeId, Said | str], ask: Callable[[list[str]], Sight | str]) -> ServiceView:
    """Make the view; `ask` asks the first of the servers at these addresses that tells it for its sight, the leader first."""
    heard = {node: item for node, item in said.items() if not isinstance(item, str)}
    silent = {node: Answer(problem=item) for node, item in said.items() if isinstance(item, str)}
    places = _Places({item.status.member: addresses[node] for node, item in heard.items()}, frozenset(addresses.values()))
    chiefs = _by_promise(heard)
    chief = chiefs[0] if chiefs else None
    answers = {**silent, **{node: _answer(item, chief, places) for node, item in heard.items()}}
    answers = {node: answers[node] for node in addresses}
    if chief is None:
        return ServiceView(addresses, answers, problem="no server names a leader" + _why(silent, addresses))
    sight = ask([places.at(item.status.member) for item in chiefs])
    if isinstance(sight, str):
        return ServiceView(addresses, answers, problem=f"no server tells the alarms{sight}")
    good = [item for node, item in heard.items() if not answers[node].problem and item.status.cluster == chief.status.cluster]
    peers = tuple(_peer(member, chief, good, sight, places) for member in chief.members)
    alarms = sight.alarms.union(*(item.status.alarms for item in good))
    told = sorted(f"{kind} of {_whose(chief, identity, places)}" for identity, kind in alarms)
    return ServiceView(addresses, answers, peers, f"etcd raises the alarm {', '.join(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class _Places:
    """Where members are: at the address at which one answered under its id, else where its peer URLs say."""

    answered: Mapping[str, str]
    nodes: frozenset[str]

    def of(self, member: Member) -> str:
        """Return a member's address; the node's where a URL of it says so."""
        known = [host for host in member.hosts if host in self.nodes]
        return self.answered.get(member.identity) or [*known, *member.hosts][0]

    def at(self, identity: str) -> str:
        """Return the address of one that answered."""
        return self.answered[identity]


def _by_promise(heard: Mapping[NodeId, Said]) -> list[Said]:
    """Return those that name a leader, of the cluster that most servers are of: the newest term first, in it the leader itself."""
    led = [item for _, item in sorted(heard.items()) if item.status.leader and item.me is not None]
    clusters = Counter(item.status.cluster for item in led).most_common(1)
    fit = [item for item in led if item.status.cluster == clusters[0][0]]
    return sorted(fit, key=lambda item: (-item.status.term, item.status.leader != item.status.member))


def _answer(item: Said, chief: Said | None, places: _Places) -> Answer:
    """Return whom a server names as leader, or why its word doesn't count."""
    list_of = chief if item.status.learner and chief else item  # whose list its ids are looked up in
    row = list_of.row(item.status.leader)
    problem = ""
    if chief and item.status.cluster != chief.status.cluster:
        problem = f"is of another cluster, {int(item.status.cluster):x} and not {int(chief.status.cluster):x}"
    elif list_of.row(item.status.member) is None:
        problem = "is no member of its own cluster any more"
    elif item.status.errors:
        problem = f"complains: {'; '.join(item.status.errors)}"
    elif item.status.leader and row is None:
        problem = "names a leader that is no member"
    elif chief and list_of.seats != chief.seats:
        problem = "lists other members than the leader"
    return Answer(leader=places.of(row) if row and not problem else "", problem=problem)


def _peer(member: Member, chief: Said, good: Iterable[Said], sight: Sight, places: _Places) -> Peer:
    good = list(good)
    item = next((item for item in good if item.status.member == member.identity), None)
    address = places.of(member)
    if item is None:
        cut_off = sight.connections.is_cut_off(member.identity)
        nowhere = member.is_named and address not in places.nodes  # it may be a node's: a name can't be compared with an address
        return Peer(member.identity, address, member.voter, False if cut_off and not nowhere else None, None)
    newest = max(other.status.committed for other in good)
    applied = item.status.applied
    healthy = (item.status.term, item.status.leader) == (chief.status.term, chief.status.leader) and applied is not None
    return Peer(member.identity, address, member.voter, healthy, None if applied is None else max(0, newest - applied))


def _whose(chief: Said, identity: str, places: _Places) -> str:
    row = chief.row(identity)
    return places.of(row) if row else f"a member that is gone ({int(identity):x})"


def _why(silent: Mapping[NodeId, Answer], addresses: Mapping[NodeId, str]) -> str:
    """Say why the silent ones are silent, those with one reason together."""
    problems: dict[str, list[str]] = {}
    for node, answer in silent.items():
        problems.setdefault(answer.problem, []).append(addresses[node] or str(node))
    return "".join(f"; {', '.join(who)}: {what}" for what, who in problems.items())
