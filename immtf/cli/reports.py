"""`report`: a run told again, as text, as a picture or as a page; two runs beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import HOME, OUTPUT, option
from immtf.errors import ImmtfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.adapters.journal import RunInfo
    from immtf.report.page.account import Account
    from immtf.report.page.compare import Compared

COMPARE = "compare"
_TWO = 2


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN | compare A B]")
@HOME
@OUTPUT
@option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the run as a picture.")
@option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the run, or both, as one page that needs nothing else.")
@option("--list", "listed", is_flag=True, help="List the runs instead.")
def report(runs: tuple[str, ...], home: Path, output: str, svg: Path | None, html: Path | None, *, listed: bool) -> None:
    """Tell a run again from its journal: by its id, the beginning of it, `last` (the default), or a journal's file.

    `compare A B` sets two runs side by side. Each is named so too, or is a page that --html wrote.
    """
    if listed:
        _list(home)
    elif runs[:1] == (COMPARE,):
        _compare(home, runs[1:], output, svg, html)
    elif len(runs) > 1:
        raise UsageError(f"{len(runs)} runs can't be told at once", next="immtf report compare A B sets two side by side")
    else:
        _tell(home, runs[0] if runs else "last", output, svg, html)


def _list(home: Path) -> None:
    from immtf.adapters.journal import runs

    for info in runs(home / "runs"):
        click.echo(f"{info.run_id}  {info.command:<13} {info.block:<12} {info.environment:<12} {info.outcome}")


def _tell(home: Path, name: str, output: str, svg: Path | None, html: Path | None) -> None:
    import sys

    from immtf.report.journals import read_journal
    from immtf.report.readers import make_reader

    info = _found(home, name)
    told = read_journal(info.path)
    if svg is not None:
        from immtf.report.picture import to_svg

        _write(svg, to_svg(told, title=f"immtf {info.command} {info.block}"))
    if html is not None:
        from immtf.report.page.fold import account_of
        from immtf.report.page.render import to_html

        _write(html, to_html(account_of(told, info.run_id)))
    if svg is not None or html is not None:
        return
    reader = make_reader(output, sys.stdout, run=info.run_id)  # type: ignore[arg-type]  # click.Choice checked it
    for event, at in told:
        reader(event, at)
    reader.close()


def _compare(home: Path, names: Sequence[str], output: str, svg: Path | None, html: Path | None) -> None:
    from immtf.report.page.compare import as_json, compared

    if len(names) != _TWO:
        raise UsageError(f"two runs are compared, and {len(names)} are named", where=COMPARE, next="immtf report compare A B")
    if svg is not None:
        raise UsageError("a comparison is no picture", where="--svg", next="write a page of both: --html FILE")
    a, b = (_account(home, name) for name in names)
    if html is not None:
        from immtf.report.page.render import to_html

        _write(html, to_html(a, b))
        return
    rows = compared(a, b)
    if output == "json":
        click.echo(json.dumps(as_json(a, b, rows), ensure_ascii=False))
        return
    _say(a, b, rows, output)


def _say(a: Account, b: Account, rows: Sequence[Compared], output: str) -> None:
    """Print a comparison as a table, or, a figure a line."""
    from immtf.report.page.compare import COMPARED_HEAD, cells

    told = [(name, f"{run.run}: {run.command} {run.block} {run.version}") for name, run in (("A", a), ("B", b))]
    for name, text in told:
        click.echo(f"{name}  {text}")
    for name, run in (("A", a), ("B", b)):
        for text in run.left_out:
            click.echo(f"{name}  left out of its page: {text}")
    found = cells(rows)
    if output == "lines":
        for what, *values in found:
            click.echo(f"{what}: " + "; ".join(f"{name} {value}" for name, value in zip(COMPARED_HEAD[1:], values, strict=True)))
        return
    widths = [max(len(row[place]) for row in [COMPARED_HEAD, *found]) for place in range(len(COMPARED_HEAD))]
    for what, *values in [COMPARED_HEAD, *found]:
        cut = "  ".join(value.rjust(width) for value, width in zip(values, widths[1:], strict=True))
        click.echo(f"{what.ljust(widths[0])}  {cut}".rstrip())


def _found(home: Path, name: str) -> RunInfo:
    """Return a run by its id, or of a journal's file."""
    from immtf.adapters.journal import at, find

    path = Path(name)
    return at(path) if path.is_file() else find(home / "runs", name)


def _account(home: Path, name: str) -> Account:
    from immtf.report.journals import read_journal
    from immtf.report.page.codec import from_page
    from immtf.report.page.fold import account_of

    path = Path(name)
    if path.is_file() and path.suffix.lower() in {".html", ".htm"}:
        return from_page(_read(path), str(path))
    info = _found(home, name)
    return account_of(read_journal(info.path), info.run_id)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ImmtfError(f"can't be read: {error.strerror}", where=str(path)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImmtfError(f"can't be written: {error.strerror}", where=str(path)) from error
    click.echo(f"written: {path}")
