"""Plans, statuses and summaries as plain lists of text; tables, CI logs and data on stdout are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from immtf.report.entries import block_sort, mark, spoken
from immtf.report.wording import counted, duration, percent, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.block_events import BlockEnded
    from immtf.model.events import RunFinished
    from immtf.model.rows import BlockRow, FindingRow, ImageRow, NodeRow, PlanRow

PLAN_HEAD: Final = ("node", "now", "target", "action", "why", "volume", "gates", "quorum left")
STATUS_HEAD: Final = ("node", "instance", "state", "image", "zone", "volume", "mounted", "role", "health")

IMAGE_HEAD: Final = ("family", "version", "image", "state", "built", "revision", "verified", "promoted", "used by")
FATE_HEAD: Final = ("family", "version", "image", "built", "promoted", "fate", "why")


BLOCKS_HEAD: Final = ("block", "now", "version", "after")
WHY_HEAD: Final = (*BLOCKS_HEAD, "why")
MOST_REASONS: Final = 3
NOTHING: Final = "nothing has to change"
ENDS_HEAD: Final = ("block", "how it ended", "time", "why, and what to do")


def block_cells(rows: Sequence[BlockRow]) -> list[tuple[str, ...]]:
    """Return the cells of the order of blocks, one tuple a block, in the order of `blocks_head`."""
    cells = [(row.block, row.now or "-", row.version or "-", _joined(row.after), _reasons(row.why)) for row in rows]
    return [_plain(item[: len(blocks_head(rows))]) for item in cells]


def blocks_head(rows: Sequence[BlockRow]) -> tuple[str, ...]:
    """Return the head of the order of blocks: with why it is so, where there are reasons."""
    return WHY_HEAD if any(row.why for row in rows) else BLOCKS_HEAD


def block_lines(rows: Sequence[BlockRow]) -> list[str]:
    """Return the order of blocks as lines of text, each beginning with the block."""
    return [f"{cells[0]}: {_named(blocks_head(rows)[1:], cells[1:])}" for cells in block_cells(rows)]


def end_cells(rows: Sequence[BlockEnded]) -> list[tuple[str, ...]]:
    """Return the cells of how each block ended, in the order of `ENDS_HEAD`; what went wrong comes with its block and what to do."""
    found = []
    for row in rows:
        code = f" ({row.exit_code})" if row.exit_code else ""
        why = "; ".join(text for text in (row.problem, f"next: {row.next}" if row.next else "") if text)
        found.append(_plain((row.block, f"{mark(block_sort(row))} {spoken(row.ending)}{code}", duration(row.seconds), why)))
    return found


def end_lines(rows: Sequence[BlockEnded]) -> list[str]:
    """Return how each block ended as lines of text, each beginning with the block."""
    return [f"{block}: {ending}, {took}{': ' if why else ''}{why}" for block, ending, took, why in end_cells(rows)]


def plan_cells(rows: Sequence[PlanRow]) -> list[tuple[str, ...]]:
    """Return the cells of a plan's table, one tuple a node, in the order of `PLAN_HEAD`."""
    return [
        _plain((row.node, row.now, row.target, row.action, row.why, _joined(row.volumes), _joined(row.gates), row.quorum_left or "-"))
        for row in rows
    ]


def status_cells(rows: Sequence[NodeRow]) -> list[tuple[str, ...]]:
    """Return the cells of a status's table, one tuple a node, in the order of `STATUS_HEAD`."""
    return [
        _plain((row.node, row.instance, row.state, row.image, row.zone, _joined(row.volumes), row.mounted, row.role, row.health))
        for row in rows
    ]


def plan_lines(rows: Sequence[PlanRow], shared: Sequence[str], image: str, outputs: Sequence[str] = ()) -> list[str]:
    """Return a plan as lines of text, each beginning with what it is about; a plan of nothing says so."""
    lines = [f"{cells[0]} {_named(PLAN_HEAD[1:], cells[1:])}" for cells in plan_cells(rows)]
    lines += [*(f"shared {plain(address)}" for address in shared), *(f"output {plain(name)}" for name in outputs)]
    return (lines or [f"plan {NOTHING}"]) + ([f"image {plain(image)}"] if image else [])


def status_lines(rows: Sequence[NodeRow], unfinished: Sequence[str]) -> list[str]:
    """Return a status as lines of text, each beginning with what it is about."""
    lines = [f"{cells[0]} {_named(STATUS_HEAD[1:], cells[1:])}" for cells in status_cells(rows)]
    return lines + [f"unfinished {plain(what)}" for what in unfinished]


def finding_lines(findings: Sequence[FindingRow]) -> list[str]:
    """Return what is wrong as lines of text: the finding, then indented what was seen, its harm, and who mends it how."""
    lines = []
    for row in findings:
        lines += [
            plain(row.id),
            *(f"  {name:<6} {plain(text)}" for name, text in (("seen", row.evidence), ("harm", row.harm), ("fix", row.fix))),
        ]
        lines.append(f"  by     {'immtf repair' if row.by == 'repair' else 'a person'}")
    return lines or ["nothing is wrong"]


def image_cells(rows: Sequence[ImageRow]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head of a table of images and its cells, one tuple an image; with its fate where one is told."""
    if any(row.fate for row in rows):  # what decides, instead of all that is known
        return FATE_HEAD, [_plain((row.family, row.version, row.image_id, row.built, row.promoted, row.fate, row.why)) for row in rows]
    cells = [
        (row.family, row.version, row.image_id, row.state, row.built, row.revision, row.verified, row.promoted, _joined(row.used_by))
        for row in rows
    ]
    return IMAGE_HEAD, [_plain(item) for item in cells]


def image_lines(rows: Sequence[ImageRow]) -> list[str]:
    """Return images as lines of text, each beginning with its family and version."""
    head, cells = image_cells(rows)
    return [f"{item[0]} {item[1]} {_named(head[2:], item[2:])}" for item in cells] or ["no image"]


def summary_cells(end: RunFinished) -> list[tuple[str, str]]:
    """Return what a finished run amounts to, as pairs of a name and its value.

    One in which Terraform never ran has nothing to say of nodes: a command on images, or one that was refused at once.
    """
    nodes = [("nodes replaced", str(end.nodes_replaced)), ("volumes kept", str(end.volumes_kept))] if end.terraform_runs else []
    cells = [
        ("outcome", spoken(end.outcome)),
        *nodes,
        *_writes(end),
        *((f"away {plain(node)}", duration(seconds)) for node, seconds in end.away_s.items()),
        ("AWS calls", f"{end.aws_api_calls:,}"),
        *([("Terraform runs", str(end.terraform_runs))] if nodes else []),
        ("duration", duration(end.duration_s)),
    ]
    shares = (("terraform", end.terraform_s), ("servers", end.servers_s), ("immtf's own", end.own_s))
    return cells + [(f"  {name}", f"{duration(part)}, {percent(part, end.duration_s)}") for name, part in shares]


def summary_lines(end: RunFinished) -> list[str]:
    """Return what a finished run amounts to, as lines of text."""
    return [f"{name.strip()}: {value}" for name, value in summary_cells(end)]


def _writes(end: RunFinished) -> list[tuple[str, str]]:
    if end.writes_acknowledged is None:
        return []
    lost = "not known" if end.writes_lost is None else str(end.writes_lost)
    gap = "not known" if end.longest_write_gap_s is None else duration(end.longest_write_gap_s)
    return [("writes acknowledged", counted(end.writes_acknowledged, "write")), ("writes lost", lost), ("longest gap", gap)]


def _named(names: Sequence[str], values: Sequence[str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _reasons(why: Sequence[str]) -> str:
    more = [f"{len(why) - MOST_REASONS} more"] if len(why) > MOST_REASONS else []
    return "; ".join([*why[:MOST_REASONS], *more]) or "-"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) or "-"


def _plain(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain(cell) for cell in cells)
