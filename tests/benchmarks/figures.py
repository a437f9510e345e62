"""What the benchmark of the strategies works out from what was measured: outages, windows, growth, goals, the table. Pure.

All times are monotonic seconds of one machine. An outage of a node begins with the last good answer at its address and ends with the first
one that names a leader, so it is what a client sees, whoever stopped what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOWN, UP, LEADS = "down", "up", "leads"
"""Of one answer: none at all; one that names no leader; one that names a leader."""

QUIET_S = 3.0
"""So long the cluster must stay healthy to be taken for healthy: Consul's own judgement is up to two seconds old."""


@dataclass(frozen=True)
class Outage:
    """A time in which an address didn't answer; `back` is None where it never did again. `leader` led the cluster just before."""

    began: float
    back: float | None
    leader: str = ""

    @property
    def seconds(self) -> float:
        """How long it was; for ever where it didn't end."""
        return math.inf if self.back is None else self.back - self.began


@dataclass
class Line:
    """The answers at one address, one after the other; only outages are kept."""

    outages: list[Outage] = field(default_factory=list)
    _good: float | None = None
    _leader: str = ""
    _down: bool = False

    def feed(self, at: float, state: str, leader: str = "") -> None:
        """Take one answer. Before the first good one nothing is an outage."""
        if state == DOWN:
            if not self._down and self._good is not None:
                self._down = True
                self.outages.append(Outage(self._good, None, self._leader))
            return
        if self._down:
            if state != LEADS:
                return  # it speaks, but couldn't take a write yet
            self._down, last = False, self.outages.pop()
            self.outages.append(Outage(last.began, at, last.leader))
        self._good, self._leader = at, leader or self._leader

    def longest(self, begin: float, end: float) -> Outage | None:
        """Return the longest outage that began in this time."""
        found = [outage for outage in self.outages if begin <= outage.began < end]
        return max(found, key=lambda outage: outage.seconds, default=None)


def settled(changes: Sequence[tuple[float, bool]], since: float, until: float, quiet_s: float = QUIET_S) -> float | None:
    """Return the first time from `since` on at which it was healthy and stayed so for `quiet_s`, or as long as was looked (`until`)."""
    for place, (at, healthy) in enumerate(changes):
        following = changes[place + 1][0] if place + 1 < len(changes) else until
        start = max(at, since)
        if healthy and following > start and (following - start >= quiet_s or following >= until):
            return start
    return None


def longest_gap(acknowledged: Sequence[float], begin: float, end: float) -> float:
    """Return the longest time without an acknowledged write between two moments, these included."""
    inside = [at for at in acknowledged if begin <= at <= end]
    marks = [begin, *inside, end]
    return max(later - sooner for sooner, later in pairwise(marks))


def exponent(points: Mapping[int, float]) -> float | None:
    """Fit `figure = a * N ** k` by least squares over the logarithms and return k; None for fewer than two sizes, or figures of nothing."""
    if len(points) < 2 or any(size <= 0 or figure <= 0 for size, figure in points.items()):
        return None
    logs = [(math.log(size), math.log(figure)) for size, figure in points.items()]
    mid_x, mid_y = (sum(pair[axis] for pair in logs) / len(logs) for axis in (0, 1))
    return sum((x - mid_x) * (y - mid_y) for x, y in logs) / sum((x - mid_x) ** 2 for x, _ in logs)


@dataclass(frozen=True)
class Goal:
    """A figure, what it should be at most, and whether it is; None where it wasn't measured in this run."""

    name: str
    figure: float | None
    most: float

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached."""
        return None if self.figure is None else self.figure <= self.most


def ratio(over: float | None, under: float | None) -> float | None:
    """Divide what was measured; None where either wasn't, or the latter never ended: nothing is good beside that."""
    return None if over is None or not under or math.isinf(under) else over / under


def middle(nodes: Sequence[Mapping[str, Any]], name: str, role: str | None = None) -> float | None:
    """Return the median of a figure over the nodes of a role (None: of all); one that has none took for ever."""
    found = [math.inf if node[name] is None else node[name] for node in nodes if role in {None, node["role"]}]
    return median(found) if found else None


def total(nodes: Sequence[Mapping[str, Any]], name: str, role: str) -> float | None:
    """Return the most that any node of a role has of a figure."""
    return max((float(node[name]) for node in nodes if node["role"] == role and node.get(name) is not None), default=None)


def goals(ways: Mapping[str, Mapping[str, Any]], growth: Mapping[str, Mapping[str, float | None]]) -> list[Goal]:
    """Return the goals for a node's absence, total time and growth, with what this run measured."""
    away = {name: middle(way["nodes"], "away_s") for name, way in ways.items()}
    time = {name: way.get("total_s") for name, way in ways.items()}
    swap = ways.get("swap", {"nodes": []})["nodes"]
    found = [
        Goal("away: swap / plain", ratio(away.get("swap"), away.get("plain")), 0.05),
        Goal("away: swap / floor", ratio(away.get("swap"), away.get("floor")), 1.3),
        Goal("total: replace / plain", ratio(time.get("replace"), time.get("plain")), 1.0),
    ]
    for role, elections in (("follower", 0), ("leader", 1)):
        most = {"configurations": 0, "failures": 0, "elections": elections}
        most |= {} if elections else {"failed_writes": 0}  # while there is no leader nobody can take a write
        found += [Goal(f"swap, {role}: {name}", total(swap, name, role), limit) for name, limit in most.items()]
    found += [Goal(f"growth, {way}: {name}", figure, 0.1) for way, figures in growth.items() for name, figure in figures.items()]
    return found


def show(figure: float | None) -> str:
    """Write a figure in about three digits; a dash where there is none."""
    if figure is None:
        return "-"
    if math.isinf(figure):
        return "never"
    return f"{figure:.0f}" if abs(figure) >= 100 or figure == int(figure) else f"{figure:.3g}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a table: the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(f"{row[0]:<{widths[0]}}" if not place else f"{row[place]:>{widths[place]}}" for place in range(len(row))) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


FIGURES = {
    "total_s": "total, s",
    "own_s": "immtf's own, s",
    "terraform_runs": "Terraform runs",
    "aws_calls": "AWS calls",
    "cpu_s": "CPU, s",
    "peak_mb": "peak memory, MB",
}
PER_NODE = {"away_s": "away, s", "healthy_s": "healthy again, s", "write_gap_s": "longest write gap, s"}


def ways_table(ways: Mapping[str, Mapping[str, Any]]) -> str:
    """Write one row a way: the nodes' figures as followers' median / leader's, then those of the whole roll."""
    rows = [["way", *(f"{title} (f / l)" for title in PER_NODE.values()), *FIGURES.values()]]
    for name, way in ways.items():
        parts = [[show(middle(way["nodes"], key, role)) for role in ("follower", "leader")] for key in PER_NODE]
        rows.append([name, *(" / ".join(part) for part in parts), *(show(way.get(key)) for key in FIGURES)])
    return aligned(rows)


def sizes_table(bare: Sequence[Mapping[str, Any]]) -> str:
    """Write one row a strategy and size: what one more node costs, and what lies before the first."""
    names = ("seconds", "terraform_runs", "aws_calls", "cpu_s")
    rows = [["bare instances, each node", "N", *names, "peak_mb", "before the first: calls", "cpu_s"]]
    rows += [
        [row["strategy"], str(row["size"]), *map(show, (*(row["node"][name] for name in names), row["peak_mb"], *_before(row)))]
        for row in bare
    ]
    return aligned(rows)


def _before(row: Mapping[str, Any]) -> tuple[float, float]:
    return row["before"]["aws_calls"], row["before"]["cpu_s"]


def goals_table(found: Sequence[Goal]) -> str:
    """Write the goals beside what was measured."""
    words = {True: "yes", False: "NO", None: "not measured"}
    return aligned([["goal", "measured", "at most", "met"], *([g.name, show(g.figure), show(g.most), words[g.met]] for g in found)])


def growth_of(bare: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Fit, for each strategy, how what a node costs grows with the size of the state."""
    found: dict[str, dict[str, float | None]] = {}
    for strategy in dict.fromkeys(row["strategy"] for row in bare):
        mine = [row for row in bare if row["strategy"] == strategy]
        found[strategy] = {name: exponent({row["size"]: row["node"][name] for row in mine}) for name in ("aws_calls", "cpu_s")}
        found[strategy]["peak_mb"] = exponent({row["size"]: row["peak_mb"] for row in mine})
    return found
