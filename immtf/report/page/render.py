"""The page of a run, and of two: made by templates that escape every text, in as much detail as there is room for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from immtf.report.entries import mark, spoken
from immtf.report.lists import ENDS_HEAD, end_cells, summary_cells
from immtf.report.page.codec import MARK, as_script
from immtf.report.page.compare import COMPARED_HEAD, cells, compared
from immtf.report.page.timeline import draw, gaps
from immtf.report.page.trim import ROOMS, trimmed, trimmed_rows
from immtf.report.wording import clock, duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from immtf.report.page.account import Account, Cost, NodeLine, Phase
    from immtf.report.page.trim import Room

MOST_BYTES: Final = 100_000


def to_html(*accounts: Account) -> str:
    """Return the page of one run, or of two beside each other: below 100,000 bytes, and what found no room is named in it."""
    page = ""
    for room in ROOMS:
        page = _page(accounts, room)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def _page(accounts: Sequence[Account], room: Room) -> str:
    shown = [trimmed(account, room) for account in accounts]
    longest = max(max([account.told_s, *(phase.begin_s + phase.seconds for phase in account.phases)]) for account in shown)
    runs = [_run(account, longest) for account in shown]
    rows, left_out = trimmed_rows(cells(compared(*accounts)), room) if len(accounts) > 1 else ([], [])
    page = _environment().get_template("page.html.j2")
    return page.render(
        runs=runs,
        title=" and ".join(dict.fromkeys(run["title"] for run in runs)),
        names=room.names,
        mark=MARK,
        comparison=rows,
        left_out=left_out,
        compared_head=COMPARED_HEAD,
    )


def _run(account: Account, longest: float) -> dict[str, Any]:
    end = account.end
    outcome = spoken(end.outcome) if end else "halted" if account.halt else "unfinished: it was killed, or goes on yet"
    return {
        "account": account,
        "title": " ".join(text for text in ("immtf", account.command, account.block, account.version) if text),
        "outcome": outcome,
        "sign": mark("done" if end and end.exit_code == 0 else "fail"),
        "about": [(name, text) for name, text in _about(account) if text],
        "summary": [(name.strip(), value) for name, value in summary_cells(end) if not name.startswith("away ")] if end else [],
        "timeline": draw(account, total_s=longest),
        "nodes": _nodes(account),
        "ends": end_cells(account.blocks),
        "ends_head": ENDS_HEAD,
        "gaps": gaps(account.writes),
        "script": as_script(account),
    }


def _about(account: Account) -> list[tuple[str, str]]:
    return [
        ("run", account.run),
        ("began", account.began),
        ("environment", account.environment),
        ("cloud", account.cloud),
        ("by", account.who),
        ("image", account.image),
        ("told", f"{account.events:,} events in {duration(account.told_s)}"),
    ]


def _nodes(account: Account) -> dict[str, Any]:
    """Return the table of nodes: a column a step, as many as were taken, and how long each took; a step taken twice counts together."""
    lines = {line.node: line for line in account.nodes}
    away = account.end.away_s if account.end else {}
    took: dict[str, dict[str, list[Phase]]] = {node: {} for node in [*lines, *away]}
    for phase in account.phases:
        if phase.kind == "step" and phase.owner in took:
            took[phase.owner].setdefault(phase.name, []).append(phase)
    names = list(dict.fromkeys(name for steps in took.values() for name in steps))
    costs = {cost.owner: cost for cost in account.costs}
    rows = []
    for node, steps in took.items():
        line = lines.get(node)
        cells = [_took(steps.get(name, [])) for name in names]
        rows.append((node, _how(line), _away(line, away.get(node)), _cost(costs, node), cells))
    return {"names": names, "rows": rows, "counted": bool(costs)}


def _how(line: NodeLine | None) -> str:
    if line is None:
        return ""
    return f"{line.how}, {duration(line.seconds)}" if line.seconds is not None else line.how


def _away(line: NodeLine | None, of_run: float | None) -> str:
    seconds = of_run if of_run is not None else line.away_s if line else None
    return "-" if seconds is None else duration(seconds)


def _cost(costs: Mapping[str, Cost], node: str) -> tuple[str, str]:
    """Return a node's AWS calls and Terraform runs in words."""
    cost = costs.get(node)
    return (f"{cost.aws_calls:,}", f"{cost.terraform_runs:,}") if cost else ("-", "-")


def _took(phases: Sequence[Phase]) -> str:
    if not phases:
        return "-"
    sign = "✗ " if any(phase.how == "halted" for phase in phases) else ""
    return sign + duration(sum(phase.seconds for phase in phases))


@cache
def _environment() -> Environment:
    """Return the templates' environment, which escapes every text and knows no name that isn't given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("immtf.report.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"duration": duration, "clock": clock, "n": _number}
    return made


def _number(value: float) -> str:
    """Write a place in a picture with one digit at most."""
    return f"{value:.1f}".removesuffix(".0")
