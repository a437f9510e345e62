"""Further private addresses of instances: given by a file in the instance's home, which its guest reads.

The file is what is kept, so an interface outlives a stop and a kill, and goes with its instance.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from immtf.lab.guest.home import Home, read_json
from immtf.lab.guest.interfaces import give, given
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from pathlib import Path


class Interfaces:
    """The further interfaces of all instances of a lab."""

    def __init__(self, homes: Path) -> None:
        """Look after the instances below `homes`."""
        self._homes = homes
        self._lock = RLock()

    def attach(self, home: Home, address: str, index: int) -> int:
        """Give an address, and the number of the change; the index or the address taken: `RuntimeFailed`."""
        refuse_primary(index)
        with self._lock:
            change, addresses = given(home)
            before = addresses.get(str(index))
            if before == address:
                return change
            if before is not None:
                raise RuntimeFailed(f"interface {index} of {home.path.name} is there already, with {before}")
            if holder := self._holder(address):
                raise RuntimeFailed(f"{address} is in use by {holder}")
            return give(home, {**addresses, str(index): address})

    def detach(self, home: Home, index: int) -> int:
        """Take an address away, and give the number of the change; absent is good."""
        refuse_primary(index)
        with self._lock:
            change, addresses = given(home)
            if str(index) not in addresses:
                return change
            return give(home, {number: address for number, address in addresses.items() if number != str(index)})

    def _holder(self, address: str) -> str | None:
        """Name the instance that has an address, running or not."""
        homes = [Home(path) for path in sorted(self._homes.iterdir())]
        mine = ((home.path.name, {read_json(home.instance).get("address"), *given(home)[1].values()}) for home in homes)
        return next((name for name, addresses in mine if address in addresses), None)


def refuse_primary(index: int) -> None:
    """Refuse an index that is no further interface's: `RuntimeFailed`."""
    if index < 1:
        raise RuntimeFailed("the primary interface comes and goes with its instance")
