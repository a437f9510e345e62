"""The probe's store follows servers to other addresses, and makes nothing better that a client would see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed
from immtf.run.following import LOOK_EVERY_S, Following
from tests.fakes.clock import VirtualClock
from tests.fakes.store import FakeStore

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Town:
    """Stores by address; `home` is where the servers are now. Who asks elsewhere finds nobody."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    home: list[str] = field(default_factory=lambda: ["b", "a"])
    store: FakeStore = field(default_factory=FakeStore)
    asked: int = 0
    lost: bool = False
    made: list[list[str]] = field(default_factory=list)

    def where(self) -> list[str]:
        self.asked += 1
        if self.lost:
            raise CloudFailed("no answer")
        return self.home

    def make(self, addresses: Sequence[str]) -> FakeStore:
        self.made.append(list(addresses))
        return self.store if set(addresses) == set(self.home) else FakeStore(down=True)

    def following(self) -> Following:
        return Following(self.make, self.where, self.clock)

    def move(self, *home: str) -> None:
        """Let the servers go elsewhere: whoever spoke to them where they were hears nothing any more."""
        rows, self.store.down = self.store.rows, True
        self.home, self.store = list(home), FakeStore(rows=rows)


def test_it_finds_the_servers_again() -> None:
    town = Town()
    store = town.following()
    assert store.put("p/1", "one")
    town.move("c", "d")
    assert not store.put("p/2", "two"), "it has only just looked"
    town.clock.sleep(LOOK_EVERY_S)
    assert store.put("p/2", "two")
    assert (store.get("p/1"), store.get_all("p/")) == ("one", {"p/1": "one", "p/2": "two"})
    assert town.made == [["a", "b"], ["c", "d"]]


def test_a_read_looks_for_them_too() -> None:
    town = Town()
    store = town.following()
    assert store.put("p/1", "one")
    town.move("c")
    town.clock.sleep(LOOK_EVERY_S)
    assert store.get("p/1") == "one"


def test_where_they_are_as_before_nothing_is_tried_twice() -> None:
    town = Town()
    store = town.following()
    town.clock.sleep(LOOK_EVERY_S)
    town.store.refuses = frozenset({1})
    assert not store.put("p/1", "one")
    assert (town.store.puts, town.asked) == (1, 2)
    town.store.down = True
    for _ in range(20):
        assert not store.put("p/2", "two")
    assert town.asked == 2, "once in five seconds"
    with pytest.raises(CloudFailed):
        store.get("p/2")


@pytest.mark.parametrize("nowhere", [True, False])
def test_where_nobody_knows_where_they_are_the_old_addresses_stay(nowhere: bool) -> None:
    town = Town()
    store = town.following()
    if nowhere:
        town.home = []
    town.lost = not nowhere
    town.store.down = True
    town.clock.sleep(LOOK_EVERY_S)
    assert not store.put("p/1", "one")
    assert town.made == [["a", "b"]]
    town.store.down, town.lost = False, False
    assert store.put("p/1", "one")
