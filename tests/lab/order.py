"""The order of the tests under xdist: every worker begins with its share of the rehearsals, the longest first.

Rehearsals mostly wait, so they should wait side by side, from the start, while the short tests have the cores. xdist's `worksteal`
hands each worker one stretch of the tests, in order; a test that stands next in a worker's queue is never taken over by another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def minutes(item: pytest.Item) -> float:
    """Return about how long a test takes, as its marker `lab(minutes=...)` says; 0 without one."""
    marker = item.get_closest_marker("lab")
    return float(marker.kwargs.get("minutes", 5)) if marker else 0.0


def dealt(items: Sequence[Any], lengths: Sequence[float], workers: int) -> list[Any]:
    """Return the items so that each of `workers` equal stretches begins with its fair share of the long ones."""
    order = sorted(range(len(items)), key=lambda place: -lengths[place])
    short = [items[place] for place in range(len(items)) if not lengths[place]]
    shares: list[list[int]] = [[] for _ in range(workers)]
    for place in order[: len(items) - len(short)]:
        min(shares, key=lambda share: sum(lengths[other] for other in share)).append(place)
    found: list[Any] = []
    for worker, share in enumerate(shares):
        size = (len(items) - len(found)) // (workers - worker)
        fill = max(0, size - len(share))
        found += [*(items[place] for place in share), *short[:fill]]
        short = short[fill:]
    return found + short
