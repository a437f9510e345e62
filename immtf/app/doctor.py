"""The use cases `doctor` and `repair`: what is wrong with an environment, and its mending, one finding after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.adapters.lease.local import holder_of, told
from immtf.adapters.terraform import StateLocked
from immtf.app.closing import Outcome, spelled
from immtf.app.images import any_image, versions
from immtf.errors import ExitCode, Interrupted, PersonNeeded, TerraformFailed, UsageError
from immtf.model.cloud import ImageChoice
from immtf.model.events import Diagnosed, Noted
from immtf.plan.diagnose import diagnose
from immtf.plan.repair import BY_TERRAFORM, chosen
from immtf.plan.sort import moves_of
from immtf.run.executor import Executor
from immtf.run.repair import look, mend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from immtf.app.session import Session
    from immtf.model.rows import FindingRow
    from immtf.model.snapshot import Move
    from immtf.plan.diagnose import Finding
    from immtf.run.world import World


def doctor(session: Session, lease: Path) -> Outcome:
    """Look at the environment and tell what is wrong; nothing is changed. `lease` is the file of the lease on this machine.

    Ends with 0 where nothing is wrong, 10 where `repair` mends it all, 24 where something is for a person.
    """
    holder = holder_of(lease)
    if holder is not None:
        session.tell(Noted("warning", f"a run is at work, and what is seen may be its doing: {told(holder)}"))
    findings, _ = _findings(session)
    if not findings:
        return Outcome("nothing_to_do")
    mendable = all(finding.repairable for finding in findings)
    return Outcome("pending", ExitCode.CHANGES_PENDING if mendable else ExitCode.PERSON_NEEDED)


def repair(session: Session, named: Sequence[str], confirm: Callable[[str], None]) -> Outcome:
    """Mend what is named, or all that a machine mends, one after the other; each is shown and confirmed before it is done.

    After each the environment is looked at anew: what went away with it is not done twice. Raises what stopped it.
    """
    findings, moves = _findings(session)
    missing = sorted(set(named) - {finding.id for finding in findings})
    if missing:
        there = ", ".join(finding.id for finding in findings) or "nothing is wrong"
        raise UsageError(f"not found: {', '.join(missing)}", where="repair", next=f"name what `immtf doctor` finds: {there}")
    done: set[str] = set()
    while left := [finding for finding in chosen(findings, named) if finding.id not in done]:
        _mend(session, left[0], moves if left[0].kind in BY_TERRAFORM else (), confirm)
        done.add(left[0].id)
        findings, moves = _findings(session)
    for_person = [finding.id for finding in findings if not finding.repairable]
    if for_person and not named:
        raise PersonNeeded(f"left for a person: {', '.join(for_person)}", where="repair", next="`immtf doctor` says what to do")
    return Outcome("done" if done else "nothing_to_do")


def _mend(session: Session, finding: Finding, moves: Sequence[Move], confirm: Callable[[str], None]) -> None:
    """Show a finding with what mends it, have it confirmed, and mend it; moves that Terraform wants recorded first are shown with it."""
    image = _image_of(session, finding)
    session.tell(Noted("info", f"{finding.id}: {finding.evidence}; to mend it: {finding.fix}"))
    for move in moves:
        session.tell(Noted("info", f"recorded in the state first, nothing of it changes: {move}"))
    confirm(f"Mend {finding.id}: {finding.fix}?" + (f" Before that, record {len(moves)} moves?" if moves else ""))
    world = session.open(image)
    world.survey()
    mend(Executor(world, session.patience, session.ledger, session.limits), finding, image, versions(session.block, session.ec2), moves)


def _image_of(session: Session, finding: Finding) -> ImageChoice | None:
    """Return the image that the finding's node has now: with that one wanted, Terraform replaces nothing."""
    world = session.world
    if session.block.image is None or world is None or finding.node is None:
        return any_image(session.block, session.ec2)
    now = world.node(finding.node, strays=True)
    instance = now.instance if now.alive else next(iter(now.strays), None)
    if instance is None:
        return any_image(session.block, session.ec2)
    return ImageChoice(instance.image_id, "")  # whether it can be had still is all the same: nothing is made from it


def _findings(session: Session) -> tuple[tuple[Finding, ...], tuple[Move, ...]]:
    """Look at everything, tell what is wrong, and return it, with the moves that the configuration wants."""
    world = session.open(any_image(session.block, session.ec2))
    world.survey()
    problem, moves = _planned(world)
    what, act = (problem.what, problem.next) if problem else ("", "")
    locked = isinstance(problem, StateLocked)
    findings = diagnose(look(world, plan_problem=what, plan_next=act, lock=act if locked else ""))
    session.tell(Diagnosed(tuple(_spelled(session, finding) for finding in findings)))
    return findings, moves


def _planned(world: World) -> tuple[TerraformFailed | None, tuple[Move, ...]]:
    """Return why Terraform can't plan, None where it can, and what would move in the state."""
    try:
        return None, moves_of(world.terraform.plan().data)
    except Interrupted:
        raise
    except TerraformFailed as error:
        return error, ()


def _spelled(session: Session, finding: Finding) -> FindingRow:
    """Return a finding as it is told, its commands spelled out."""
    return replace(finding.row, fix=spelled(finding.fix, session))
