"""A key-value store in memory that fails on order: writes refused, writes forgotten, reads that are wrong or that nobody answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass
class FakeStore:
    """Satisfies `immtf.run.probe.KeyValue`.

    `refuses` says which of the writes (from 1) are not acknowledged, `forgets` which are and are not kept, `misreads` which are read
    wrong right after, `unread` after which nobody answers the read. While `down` nobody answers. `on_put` is called before each write.
    """

    refuses: frozenset[int] = frozenset()
    forgets: frozenset[int] = frozenset()
    misreads: frozenset[int] = frozenset()
    unread: frozenset[int] = frozenset()
    down: bool = False
    on_put: Callable[[int], None] = field(default=lambda _number: None)
    rows: dict[str, str] = field(default_factory=dict)
    puts: int = 0

    def put(self, key: str, value: str) -> bool:
        assert key, "a write needs a key"
        self.puts += 1
        self.on_put(self.puts)
        if self.down or self.puts in self.refuses:
            return False
        if self.puts not in self.forgets:
            self.rows[key] = value
        return True

    def get(self, key: str) -> str | None:
        self._answer(silent=self.puts in self.unread)
        return "another value" if self.puts in self.misreads else self.rows.get(key)

    def get_all(self, prefix: str) -> Mapping[str, str]:
        assert prefix, "a prefix, or all that there is would be read"
        self._answer()
        return {key: value for key, value in self.rows.items() if key.startswith(prefix)}

    def _answer(self, *, silent: bool = False) -> None:
        if self.down or silent:
            raise CloudFailed("no server answers", where="store")
