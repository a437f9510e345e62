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
    from immtf.app.target import Target
    from immtf.model.rows import NodeRow
    from immtf.run.world import World

LEAVES = frozenset({"plan", "status", "doctor", "unlock", "repair"})  # they may end well whatever another run left
_COMMAND = re.compile(
    r"`immtf (plan|create|upgrade|destroy|status|rollback|doctor|repair|unlock|again)"
    r"((?: --force| --yes| --(?:node|image|confirm)[ =][^`]+)*)`"
)
_ON_IMAGES = re.compile(r"`immtf image (promote|verify) (\S+) --family (\S+)`")
SAME_AGAIN = "run the same command again"  # as adapters say it, who don't know which command runs


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
        session.confirm_leases()
    except ImmtfError as error:
        outcome = ended_by(error, pause=session.signals.is_pause())
        _halt(session, error, outcome.exit_code)
    except Exception as error:
        _halt(
            session,
            ImmtfError(f"a fault in immtf itself: {type(error).__name__}: {error}", next="report it with the run's journal"),
            ExitCode.ERROR,
        )
        _finish(session, Outcome("failed", ExitCode.ERROR))
        raise
    session.ended_well = outcome.exit_code is ExitCode.DONE and command not in LEAVES
    _finish(session, outcome)
    return outcome.exit_code


def ended_by(error: ImmtfError, *, pause: bool) -> Outcome:
    """Return the outcome of an error. A run that the machine asked to end (`pause`), and that did so in good order, is only paused."""
    if not isinstance(error, Interrupted):
        return Outcome("halted", error.exit_code)
    return Outcome("paused", ExitCode.PAUSED) if pause else Outcome("interrupted", error.exit_code)


def _who(session: Session) -> str:
    process = session.target.process
    return f"{process.get('USER') or process.get('LOGNAME') or 'unknown'}@{process.get('HOSTNAME') or 'this machine'}"


def _halt(session: Session, error: ImmtfError, code: ExitCode) -> None:
    """Tell the halt with the cluster's state as far as it can be observed, what is safe, and the exact next command."""
    safe = spelled(_safe(session) + _kept(session), session)
    session.tell(RunHalted(error.what, error.where, safe, spelled(error.next, session), int(code)))


def _kept(session: Session) -> str:
    """Name the copy of the state from before the last apply, for whoever has to repair it; it stays as this run didn't end well."""
    return f"; the state from before the last apply is kept in {session.state_copy}" if session.state_copy else ""


def spelled(text: str, session: Session) -> str:
    """Return the text with each command in it (`immtf upgrade`) spelled out for this block, place and run; `immtf again` is the run's own.

    The run's own command comes with all its options. In a test that is the test itself: its environment is gone afterwards.
    """
    return spelled_for(text, session.target, again=session.again, elsewhere=session.elsewhere)


def spelled_for(text: str, target: Target, *, again: str, elsewhere: str) -> str:
    """Return the same where there is no session yet: `again` is the run's own command, `elsewhere` the options that any other needs too."""
    own = again.split(" ")[1:2]

    def spell(found: re.Match[str]) -> str:
        if not again or not own:
            return found[0]
        same = (found[1] == own[0] and not found[2]) or own[0].startswith("test-") or found[1] == "again"
        more = f" {elsewhere}" if elsewhere else ""
        added = found[2] if found[1] == "again" else ""
        return f"`{again}{added}`" if same else f"`immtf {found[1]} {target.flags}{found[2]}{more}`"

    exact = f"run `{again}` again" if again else SAME_AGAIN
    return _ON_IMAGES.sub(rf"`immtf image \1 \2 --family \3{_place(target)}`", _COMMAND.sub(spell, text)).replace(SAME_AGAIN, exact)


def _place(target: Target) -> str:
    """Return the options that lead a command on images, which knows no block and no environment, to the same cloud."""
    _, lab, name = target.flags.partition(" --lab")
    home = f" --home={target.home}" if lab and str(target.home) != ".immtf" else ""
    return f"{lab}{name}{home}"


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
        return f"the state of the nodes could not be observed: {error.what}{_last_seen(session)}"
    except Exception as error:  # noqa: BLE001 - a second fault must not hide the first, nor the run's last event
        return f"the state of the nodes could not be observed: {type(error).__name__}: {error}"
    kept = all(volume is not None for node in away for volume in made[node].volumes.values())
    return _sentence(len(made), away, unwell, kept=kept)


def _last_seen(session: Session) -> str:
    """Say what the run itself knows of its nodes where nobody can be asked: which it had taken away, and that it does nothing more."""
    away = ", ".join(sorted(session.ledger.gone_since))
    return f"; when last seen {away} was away, its volumes as they were; no other node is touched" if away else "; nothing more is touched"


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
    session.release()  # before the last event: it may have something to tell
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
            own_s=round(max(0.0, duration - terraform - ledger.servers_s - ledger.elsewhere_s), 3),
            exit_code=int(outcome.exit_code),
        )
    )
