"""How a run ends: whatever happened becomes a halt with its next command, and always a last event with the figures."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import ExitCode, ImmtfError, Interrupted
from immtf.model.events import RunFinished, RunHalted, RunStarted, StatusTaken
from immtf.model.snapshot import ChangeKind, NodeChange
from immtf.plan.upgrade import is_away
from immtf.run.lifecycle import take_status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.app.session import Session
    from immtf.model.events import NodeRow
    from immtf.run.world import World

_COMMAND = re.compile(r"`immtf (plan|create|upgrade|destroy|status)`")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command's body came to: its outcome's word, the exit code, and the probe's account where one ran."""

    outcome: str = "done"
    exit_code: ExitCode = ExitCode.DONE
    acknowledged: int | None = None
    lost: int | None = None
    gap_s: float | None = None


def run_to_end(session: Session, command: str, body: Callable[[], Outcome]) -> ExitCode:
    """Carry out a command's body between its first and its last event; return the exit code."""
    block, target = session.block, session.target
    session.tell(RunStarted(command, block.name, block.version, target.environment, target.cloud, _who(session)))
    try:
        outcome = body()
    except ImmtfError as error:
        _halt(session, error)
        outcome = Outcome("interrupted" if isinstance(error, Interrupted) else "halted", error.exit_code)
    except Exception as error:
        _halt(session, ImmtfError(f"a fault in immtf itself: {type(error).__name__}: {error}", next="report it with the run's journal"))
        _finish(session, Outcome("failed", ExitCode.ERROR))
        raise
    _finish(session, outcome)
    return outcome.exit_code


def _who(session: Session) -> str:
    process = session.target.process
    return f"{process.get('USER') or process.get('LOGNAME') or 'unknown'}@{process.get('HOSTNAME') or 'this machine'}"


def _halt(session: Session, error: ImmtfError) -> None:
    """Tell the halt with the cluster's state as far as it can be observed, what is safe, and the exact next command."""
    session.tell(RunHalted(error.what, error.where, spelled(_safe(session), session), spelled(error.next, session), int(error.exit_code)))


def spelled(text: str, session: Session) -> str:
    """Return the text with each command in it (`immtf upgrade`) spelled out for this block, place and run.

    The run's own command comes with all its options. In a test that is the test itself: its environment is gone afterwards.
    """
    own = session.again.split(" ")[1:2]

    def spell(found: re.Match[str]) -> str:
        if not session.again or not own:
            return found[0]
        same = found[1] == own[0] or own[0].startswith("test-")
        return f"`{session.again}`" if same else f"`immtf {found[1]} {session.target.flags}`"

    return _COMMAND.sub(spell, text)


def _safe(session: Session) -> str:
    """Observe once more, tell the status, and say in a sentence which nodes serve and which don't."""
    world = session.world
    if world is None or not world.layout.nodes:
        applied = any(run.command == "apply" for terraform in session.terraforms for run in terraform.runs)
        return "no node was touched; Terraform applied a part: see `immtf plan`" if applied else "nothing was touched"
    try:
        _survey(world)
        if not world.layout.nodes:
            return "the environment is gone"
        rows, unfinished = take_status(world, {})
        session.tell(StatusTaken(rows, unfinished))
        nodes = world.nodes()
        made = {str(node): nodes[node] for cluster in world.block.clusters for node in world.members(cluster)}
        away = [node for node, now in made.items() if is_away(now, NodeChange(ChangeKind.NONE))]
        unwell = [row.node for row in rows if row.node in made and row.node not in away and _is_unwell(row)]
    except ImmtfError as error:
        return f"the state of the nodes could not be observed: {error.what}"
    except Exception as error:  # noqa: BLE001 - a second fault must not hide the first, nor the run's last event
        return f"the state of the nodes could not be observed: {type(error).__name__}: {error}"
    kept = all(volume is not None for node in away for volume in made[node].volumes.values())
    return _sentence(len(made), away, unwell, kept=kept)


def _sentence(total: int, away: Sequence[str], unwell: Sequence[str], *, kept: bool) -> str:
    if not total:
        return "no node is made yet"
    if not away and not unwell:
        return f"all {total} nodes are up; no node is touched any more"
    parts = [f"{total - len(away) - len(unwell)} of {total} nodes are up and well"]
    volumes = "with their volumes kept" if kept else "and not all of their volumes can be found"
    parts += [f"away: {', '.join(away)}, {volumes}"] if away else []
    parts += [f"not well: {', '.join(unwell)}"] if unwell else []
    return "; ".join([*parts, "no other node is touched"])


def _is_unwell(row: NodeRow) -> bool:
    """Return whether a node that is up doesn't serve, or not on its own volumes. A health not known yet is not told as bad."""
    return row.health.startswith("unhealthy") or row.mounted != "yes"


def _survey(world: World) -> None:
    """Read the state anew: what failed may have changed it. Where it can't be read (Terraform was interrupted), the last one has to do."""
    with suppress(ImmtfError):
        world.survey()


def _finish(session: Session, outcome: Outcome) -> None:
    ledger = session.ledger
    duration = session.clock.monotonic() - ledger.started
    terraform = session.terraform_s
    session.tell(
        RunFinished(
            outcome=outcome.outcome,
            nodes_replaced=len(ledger.replaced),
            volumes_kept=len(ledger.kept),
            writes_acknowledged=outcome.acknowledged,
            writes_lost=outcome.lost,
            longest_write_gap_s=None if outcome.gap_s is None else round(outcome.gap_s, 3),
            away_s=dict(sorted(ledger.away_s.items())),
            aws_api_calls=session.api_calls,
            terraform_runs=session.terraform_runs,
            duration_s=round(duration, 3),
            terraform_s=round(terraform, 3),
            servers_s=round(ledger.servers_s, 3),
            own_s=round(max(0.0, duration - terraform - ledger.servers_s), 3),
            exit_code=int(outcome.exit_code),
        )
    )
