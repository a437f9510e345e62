"""Where a run's time went, and what it did: the figures of its last event.

Three accounts: Terraform's own runs, waiting for instances and servers, and the rest, which is what immtf itself adds. A gate
waits for servers until the moment from which it held; the further passes in a row are immtf's own. What the container of a previous
version took is in none of them (`elsewhere_s`): that is another immtf, with figures of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ledger:
    """The figures of one run; seconds on the run's monotonic clock."""

    started: float
    servers_s: float = 0.0
    elsewhere_s: float = 0.0
    replaced: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    gone_since: dict[str, float] = field(default_factory=dict)
    away_s: dict[str, float] = field(default_factory=dict)

    def gone(self, node: str, at: float) -> None:
        """Note that a node stopped serving; only the first moment counts."""
        self.gone_since.setdefault(node, at)

    def back(self, node: str, at: float) -> float:
        """Note that a node's gates hold since `at`; return for how long it was away (0 where it never was)."""
        since = self.gone_since.pop(node, None)
        if since is None:
            return 0.0
        self.away_s[node] = round(self.away_s.get(node, 0.0) + max(0.0, at - since), 3)
        return self.away_s[node]
