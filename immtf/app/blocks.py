"""The use case of a run over many blocks: each block's own command line, its process, the loop over them all, and how the whole ends."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters import tether
from immtf.adapters.children import PROGRAM, Children
from immtf.errors import ExitCode
from immtf.model.block_events import BlocksPlanned
from immtf.model.events import RunFinished, RunHalted
from immtf.model.rows import BlockRow
from immtf.model.running import RunOrder
from immtf.plan.lockfile import named_by_lock
from immtf.run.blocks import WELL, run_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from immtf.run.blocks import Tally
    from immtf.run.gates import Patience

TETHER = "tether"
ASKING = frozenset({"create", "upgrade", "destroy"})  # they ask before they change anything, unless told not to
_OUTCOMES = {ExitCode.CHANGES_PENDING: "pending", ExitCode.INTERRUPTED: "interrupted", ExitCode.PAUSED: "paused"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done with which blocks.

    `blocks` are their directories by name, in the order in which they begin; `waits_for` are the blocks that must have ended well before
    one begins. `options` lead each run to the same place, `own` are further ones of single blocks. `confirm`: the blocks' names are given
    to `destroy` as typed, since a person confirmed the whole. For the reader: `versions` are what the blocks come to, `now` what they are
    at, `after` what an upgrade would wait for, where this run doesn't wait itself, and `why`.
    """

    command: str
    blocks: Mapping[str, Path]
    waits_for: Mapping[str, Collection[str]] = field(default_factory=dict)
    options: Sequence[str] = ()
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parallel: int = 1
    confirm: bool = False
    lock: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    now: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, Collection[str]] | None = None
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def orders(self) -> tuple[RunOrder, ...]:
        """Return the command line of each block's run."""
        return tuple(RunOrder(block, self._argv(block)) for block in self.blocks)

    def planned(self) -> BlocksPlanned:
        """Return the order as it is told."""
        return BlocksPlanned(tuple(map(self._row, self.blocks)), self.parallel)

    def spelled(self, text: str) -> str:
        """Return what a block's run says, with the lock in place of the copy that it runs: nobody would know which that is."""
        return named_by_lock(text, self.lock, self.blocks) if self.lock else text

    def _row(self, block: str) -> BlockRow:
        waits = self.waits_for if self.after is None else self.after
        after = tuple(sorted(name for name in waits.get(block, ()) if name in self.blocks))
        line = shlex.join(("immtf", *self._argv(block)))
        return BlockRow(block, self.versions.get(block, ""), self.now.get(block, ""), after, line, self.why.get(block, ()))

    def _argv(self, block: str) -> tuple[str, ...]:
        asking = ("--yes",) if self.command in ASKING else ()
        confirmed = (f"--confirm={block}",) if self.confirm and self.command == "destroy" else ()
        chosen = (*asking, *confirmed, *self.options, *self.own.get(block, ()))
        return (self.command, str(self.blocks[block]), *chosen, "--output=json", "--ci=none")


def run_many(
    job: Job,
    *,
    directory: Path,
    environment: Mapping[str, str],
    patience: Patience,
    pause: Callable[[], bool] = lambda: True,
    program: Sequence[str] = PROGRAM,
) -> Tally:
    """Run a command on each block, in order, and return what came of it; a block that failed is no error here.

    `directory` is this run's own: what the children say is kept there as long as they run. `environment` is theirs, without options that
    are meant for this process. `pause`: whether a request to end came from the machine. Raises what `patience.emit` raised, after all
    have ended.
    """
    with tether.held(directory / TETHER) as held:
        children = Children(
            directory / "blocks", {**environment, tether.VARIABLE: str(held.resolve())}, program=program, spelled=job.spelled
        )
        try:
            return run_blocks(children, job.orders(), job.waits_for, patience, parallel=job.parallel, pause=pause, versions=job.versions)
        finally:
            children.clear()


def halted(tally: Tally, again: str) -> RunHalted | None:
    """Return the halt of a run of which not all blocks ended well: which, and the command that goes on; None where all did."""
    if tally.code in {ExitCode.DONE, ExitCode.CHANGES_PENDING}:
        return None
    unwell = [end for end in tally.ends if end.ending not in WELL]
    named = ", ".join(f"{end.block} ({end.ending})" for end in unwell)
    well = len(tally.ends) - len(unwell)
    safe = f"{well} of {len(tally.ends)} blocks are done" if well else "no block is done"
    what = f"{len(unwell)} of {len(tally.ends)} blocks did not end well: {named}"
    safe += "; each of the others says above where it stands, and none is at work any more"
    return RunHalted(what, "", safe, again, int(tally.code))


def finished(tally: Tally, seconds: float) -> RunFinished:
    """Return the last event of the run: the figures of all blocks together, and how long it took altogether."""
    ends = list(tally.finished.items())
    counts: Counter[str] = Counter()
    for _, end in ends:
        for name in ("nodes_replaced", "volumes_kept", "aws_api_calls", "terraform_runs"):
            counts[name] += getattr(end, name)
    written = [end for _, end in ends if end.writes_acknowledged is not None]
    lost = [end.writes_lost for end in written if end.writes_lost is not None]
    return RunFinished(
        outcome=outcome_of(tally),
        nodes_replaced=counts["nodes_replaced"],
        volumes_kept=counts["volumes_kept"],
        writes_acknowledged=sum(end.writes_acknowledged or 0 for end in written) if written else None,
        writes_lost=sum(lost) if lost and len(lost) == len(written) else None,
        longest_write_gap_s=max((end.longest_write_gap_s or 0.0 for end in written), default=None),
        away_s={f"{block} {node}": away for block, end in ends for node, away in end.away_s.items()},
        aws_api_calls=counts["aws_api_calls"],
        terraform_runs=counts["terraform_runs"],
        duration_s=round(seconds, 3),
        terraform_s=round(sum(end.terraform_s for _, end in ends), 3),
        servers_s=round(sum(end.servers_s for _, end in ends), 3),
        own_s=round(sum(end.own_s for _, end in ends), 3),
        exit_code=int(tally.code),
    )


def outcome_of(tally: Tally) -> str:
    """Return the word for how the whole ended."""
    if tally.code is ExitCode.DONE:
        return "nothing_to_do" if all(end.ending == "nothing_to_do" for end in tally.ends) else "done"
    return _OUTCOMES.get(tally.code, "halted")
