"""Further network interfaces as the guest sees them: an address comes, and goes when nothing that needs it runs any more.

The runtime writes what is attached into a file, with a number that grows; the status file says which number was seen last and which
addresses the guest still has, so that nobody gives an address to the next guest while this one uses it. A loopback address
needs no set-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.guest.boot import interface_name
from immtf.lab.guest.home import read_json, write_json

if TYPE_CHECKING:
    from immtf.lab.guest.home import Home


def given(home: Home) -> tuple[int, dict[str, str]]:
    """Give the number of the last change and the addresses by index, as the runtime wrote them."""
    told = read_json(home.interfaces)
    return told.get("change", 0), told.get("addresses", {})


def give(home: Home, addresses: dict[str, str]) -> int:
    """Write which addresses an instance has, and give the number of this change."""
    change = given(home)[0] + 1
    write_json(home.interfaces, {"change": change, "addresses": addresses})
    return change


class Interfaces:
    """The guest's further interfaces: those attached, and those that it still has to let go of."""

    def __init__(self, home: Home) -> None:
        """Begin with those that are attached: they are kept over a stop."""
        self._home = home
        self._seen, self._attached = given(home)
        self._addresses = dict(self._attached)

    def look(self) -> None:
        """Take in what was attached or detached; one that is to be let go of stays until it is."""
        self._seen, self._attached = given(self._home)
        for index, address in self._attached.items():
            self._addresses.setdefault(index, address)

    @property
    def leaving(self) -> set[str]:
        """The names of those that were detached and not let go of yet."""
        return {interface_name(index) for index, address in self._addresses.items() if self._attached.get(index) != address}

    @property
    def names(self) -> set[str]:
        """The names of those that services may use."""
        return {interface_name(index) for index in self._addresses} - self.leaving

    @property
    def values(self) -> dict[str, str]:
        """What is filled into commands: `address:N`."""
        return {f"address:{index}": address for index, address in self._addresses.items()}

    def let_go(self) -> None:
        """Give up those that were detached, as nothing needs them any more."""
        self._addresses = dict(self._attached)

    def status(self) -> dict[str, object]:
        """Give what the status file says of them."""
        return {"change": self._seen, "addresses": dict(self._addresses)}
