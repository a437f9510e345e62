"""A group of servers that agree as Raft does: a majority of the configured voters has a leader, anything less has none.

A server that comes back under the identity in its data takes up its old seat; one that comes back empty takes the seat under a new
identity, as Consul does, and says that it is healthy. With `prune` dead servers are struck from the configuration after a while
(autopilot) and vote again some time after they are back.

A client writes once a second: a write is acknowledged when a majority of the voters has it, and every server keeps what it has in its
data. Who is elected without an acknowledged write has lost it, and that is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.clock import VirtualClock

CATCH_UP_S = 3.0
ELECTION_S = 2.0
PRUNE_S = 10.0
SETTLE_S = 2.0
WRITE_S = 1.0


@dataclass
class Seat:
    """One row of the configuration; `since` is when its server came up, None while it is down. `applied` are the writes that it has."""

    identity: str
    address: str
    voter: bool = True
    since: float | None = None
    applied: int = 0


@dataclass
class SimRaft:
    """The group's truth. `led_since` is when the present leader took over: it needs a moment to know the others' health."""

    clock: VirtualClock
    prune: bool = False
    seats: dict[str, Seat] = field(default_factory=dict)
    leader: str = ""
    led_since: float = 0.0
    acknowledged: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self.clock.after(WRITE_S, self._write)

    def up(self, address: str, identity: str) -> None:
        """Take a server in: to its seat, or to a new one that votes when it has proven itself."""
        for other in [item for item in self.seats.values() if item.identity == identity and item.address != address]:
            del self.seats[other.address]  # a server that is seen at another address has its seat there
        seat = self.seats.get(address)
        if seat is None or seat.identity != identity:
            first = len(self.seats) == 0 or (seat is not None and seat.voter)
            self.seats[address] = seat = Seat(identity, address, voter=first)
        seat.since = self.clock.now
        if not seat.voter:
            self.clock.after(PRUNE_S, lambda: self._promote(address, identity))
        self._elect_later()

    def down(self, address: str) -> None:
        """Let a server fall silent."""
        seat = self.seats.get(address)
        if seat is None:
            return
        seat.since = None
        if address == self.leader or not self.quorate():
            self.leader = ""
        self._elect_later()
        if self.prune:
            self.clock.after(PRUNE_S, lambda: self._strike(seat))

    def leave(self, address: str) -> None:
        """Strike a server that says farewell; a leader's takes the others an election."""
        del self.seats[address]
        if address == self.leader:
            self.leader = ""
        self._elect_later()

    def quorate(self) -> bool:
        """Return whether a majority of the configured voters is up."""
        voters = [seat for seat in self.seats.values() if seat.voter]
        return sum(seat.since is not None for seat in voters) > len(voters) // 2

    def lag(self, address: str) -> int:
        """Return how many entries a server is behind; it catches up while it is up."""
        seat = self.seats[address]
        if seat.since is None:
            return 9_999
        return max(0, int((CATCH_UP_S - (self.clock.now - seat.since)) * 1_000))

    def healthy(self, address: str) -> bool:
        """Return whether a server votes, is up, caught up and led."""
        seat = self.seats.get(address)
        return bool(self.leader) and seat is not None and seat.voter and seat.since is not None and self.lag(address) == 0

    def known(self) -> bool:
        """Return whether the leader has heard from everybody since it leads."""
        return bool(self.leader) and self.clock.now - self.led_since >= SETTLE_S

    def hand_over(self, to: str) -> None:
        """Let another server lead; who leads still brings it up to date before."""
        if self.leader:
            self.seats[to].applied = self.acknowledged
        self._lead(to)

    def _lead(self, address: str) -> None:
        """Let a server lead with what it has: that is the truth from now on."""
        has = self.seats[address].applied
        self.lost += max(0, self.acknowledged - has)
        self.acknowledged = has
        self.leader, self.led_since = address, self.clock.now

    def _write(self) -> None:
        """Take the client's next write, where a majority can have it."""
        self.clock.after(WRITE_S, self._write)
        if not self.leader or not self.quorate():
            return
        able = [seat for seat in self.seats.values() if seat.since is not None and not self.lag(seat.address)]
        if 2 * sum(seat.voter for seat in able) > sum(seat.voter for seat in self.seats.values()):
            self.acknowledged += 1
            for seat in able:
                seat.applied = self.acknowledged

    def _elect_later(self) -> None:
        if not self.leader:
            self.clock.after(ELECTION_S, self._elect)

    def _elect(self) -> None:
        fit = [seat for seat in self.seats.values() if seat.voter and seat.since is not None]
        if not self.leader and fit and self.quorate():
            self._lead(min(fit, key=lambda seat: (-seat.applied, self.lag(seat.address), seat.address)).address)

    def _promote(self, address: str, identity: str) -> None:
        seat = self.seats.get(address)
        if seat is None or seat.identity != identity or seat.since is None or seat.voter:
            return
        if self.leader:
            seat.voter = True
        else:
            self.clock.after(PRUNE_S, lambda: self._promote(address, identity))

    def _strike(self, seat: Seat) -> None:
        if seat.since is None and self.leader and self.seats.get(seat.address) is seat:
            del self.seats[seat.address]
