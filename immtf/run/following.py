"""The probe's store where servers may change their addresses: it looks for them anew when nobody answers where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from immtf.errors import ImmtfError
from immtf.run.probe import KeyValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.run.ports import Clock

LOOK_EVERY_S = 5.0
T = TypeVar("T")


class Following(KeyValue):
    """A store over whatever addresses the servers have.

    `where` tells them, and may raise `ImmtfError`: then those known before stay. It is asked once in five seconds at most, and what
    failed is tried a second time only where it tells others than before: what a client of a fixed list sees is not made better than it is.
    """

    def __init__(self, make: Callable[[Sequence[str]], KeyValue], where: Callable[[], Sequence[str]], clock: Clock) -> None:
        """Begin with the addresses as they are now."""
        self._make, self._where, self._clock = make, where, clock
        self._addresses = sorted(where())
        self._store = make(self._addresses)
        self._looked = clock.monotonic()

    def put(self, key: str, value: str) -> bool:
        return self._store.put(key, value) or (self._moved() and self._store.put(key, value))

    def get(self, key: str) -> str | None:
        return self._again(lambda: self._store.get(key))

    def get_all(self, prefix: str) -> Mapping[str, str]:
        return self._again(lambda: self._store.get_all(prefix))

    def _again(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except ImmtfError:
            if not self._moved():
                raise
        return ask()

    def _moved(self) -> bool:
        """Return whether the servers are elsewhere by now; then they are asked there from now on."""
        if self._clock.monotonic() - self._looked < LOOK_EVERY_S:
            return False
        self._looked = self._clock.monotonic()
        try:
            found = sorted(self._where())
        except ImmtfError:
            return False
        if not found or found == self._addresses:
            return False
        self._addresses, self._store = found, self._make(found)
        return True
