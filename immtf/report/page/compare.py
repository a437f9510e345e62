"""Two runs beside each other: every figure of both, the difference (B less A) and the ratio (B to A)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from immtf.report.entries import spoken
from immtf.report.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from immtf.report.page.account import Account

COMPARED_HEAD: Final = ("", "A", "B", "B less A", "B to A")


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both runs; null where a run doesn't tell it. `unit` is `s`, `number` or `word`."""

    what: str
    unit: str
    a: float | str | None
    b: float | str | None

    @property
    def difference(self) -> float | None:
        """B less A, where both are numbers."""
        if not isinstance(self.a, int | float) or not isinstance(self.b, int | float):
            return None
        found = round(self.b - self.a, 3)
        return found if math.isfinite(found) else None

    @property
    def ratio(self) -> float | None:
        """B divided by A, where both are numbers and A isn't 0."""
        if not isinstance(self.a, int | float) or not isinstance(self.b, int | float) or self.a == 0:
            return None
        found = round(self.b / self.a, 3)
        return found if math.isfinite(found) else None


def compared(a: Account, b: Account) -> list[Compared]:
    """Return the figures of two runs, those of either, in the order in which they are read."""
    ours, theirs = (_figures(account) for account in (a, b))
    names = [*ours, *(name for name in theirs if name not in ours)]
    nothing: tuple[str, None] = ("", None)
    return [
        Compared(name, ours.get(name, nothing)[0] or theirs.get(name, nothing)[0], *(_value(side, name) for side in (ours, theirs)))
        for name in names
    ]


def cells(rows: Iterable[Compared]) -> list[tuple[str, ...]]:
    """Return the rows as texts, in the order of `COMPARED_HEAD`."""
    return [(row.what, _told(row.unit, row.a), _told(row.unit, row.b), _difference(row), _ratio(row)) for row in rows]


def as_json(a: Account, b: Account, rows: Sequence[Compared]) -> dict[str, Any]:
    """Return the comparison as JSON-ready data."""
    sides = {
        side: {name: getattr(account, name) for name in ("run", "command", "block", "version", "environment", "began", "left_out")}
        for side, account in (("a", a), ("b", b))
    }
    return {
        **sides,
        "rows": [
            {"what": row.what, "unit": row.unit, "a": row.a, "b": row.b, "difference": row.difference, "ratio": row.ratio} for row in rows
        ],
    }


def _figures(account: Account) -> dict[str, tuple[str, float | str | None]]:
    end = account.end
    found: dict[str, tuple[str, float | str | None]] = {
        "outcome": ("word", spoken(end.outcome) if end else "halted" if account.halt else "unfinished")
    }
    if end:
        found |= {
            "duration": ("s", end.duration_s),
            "terraform": ("s", end.terraform_s),
            "servers": ("s", end.servers_s),
            "immtf's own": ("s", end.own_s),
            "nodes replaced": ("number", end.nodes_replaced),
            "volumes kept": ("number", end.volumes_kept),
            "AWS calls": ("number", end.aws_api_calls),
            "Terraform runs": ("number", end.terraform_runs),
            "writes acknowledged": ("number", end.writes_acknowledged),
            "writes lost": ("number", end.writes_lost),
            "longest gap": ("s", end.longest_write_gap_s),
            "longest away": ("s", max(end.away_s.values(), default=None)),
        }
        found |= {f"away {node}": ("s", seconds) for node, seconds in end.away_s.items()}
    found |= {f"node {line.node}": ("s", line.seconds) for line in account.nodes if line.seconds is not None}
    found |= {f"block {row.block}": ("s", row.seconds) for row in account.blocks}
    for item in account.sums:
        if item.kind == "block":
            continue  # each has a line of its own
        found[f"{item.kind} {item.name}, all"] = ("s", item.total_s)
        found[f"{item.kind} {item.name}, longest"] = ("s", item.longest_s)
    found["gates asked"] = ("number", account.asked)
    found["gates that did not hold"] = ("number", account.refused)
    return found


def _value(side: dict[str, tuple[str, float | str | None]], name: str) -> float | str | None:
    return side[name][1] if name in side else None


def _told(unit: str, value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return duration(value) if unit == "s" else f"{value:,}"


def _difference(row: Compared) -> str:
    value = row.difference
    if value is None:
        return "-"
    sign = "+" if value > 0 else "-" if value < 0 else ""
    return sign + _told(row.unit, abs(value))


def _ratio(row: Compared) -> str:
    return "-" if row.ratio is None else f"{row.ratio:.2f}"
