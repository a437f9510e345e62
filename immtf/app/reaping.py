"""The use case `reap`: what tests left that were killed, or told to keep what failed, is found by its record and by its tags, and removed.

First by record: an environment whose time is over is destroyed with what its states have, consumers before producers, each by a root
module that is made from the state (its block need not be there); its instances go first, so that no volume is held. Then by tag: what is in
no state. States, locks and the record are removed last, and only when nothing is left: as long as anything is, the next `reap` finds it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.clock import Urgent
from immtf.adapters.records import document_of
from immtf.adapters.sweeper import Ec2Sweeper
from immtf.adapters.terraform.bare import BareTerraform
from immtf.app.closing import Outcome
from immtf.errors import CredentialsRefused, ImmtfError, Interrupted, PersonNeeded
from immtf.model.events import Noted, TerraformTold
from immtf.plan.bare import in_order, requires_of
from immtf.plan.judge import judge_destroy, refuse
from immtf.plan.reaping import fate_of, fate_of_record, spared
from immtf.plan.sweep import ENVIRONMENT
from immtf.run.gates import check_cancel
from immtf.run.reaping import Reaping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.adapters.terraform.stream import TerraformEvent
    from immtf.app.imaging.session import ImageSession
    from immtf.model.reaping import Found, Left, StoredState
    from immtf.run.ports import Sweeper, Terraform

TOLD = frozenset({"apply_start", "apply_complete", "apply_errored"})


@dataclass(frozen=True)
class Order:
    """What is to be reaped: environments by their records, then by tag. `aws` are the settings of Terraform's provider there."""

    places: Sequence[Callable[[], Sequence[Left]]]
    aws: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False


@dataclass(frozen=True)
class Reaper:
    """The ports of a reap: what is asked of the cloud, and Terraform on a bare root of a state."""

    sweeper: Sweeper
    terraform: Callable[[StoredState, Mapping[str, Any], Path], Terraform]


def reap(session: ImageSession, order: Order, confirm: Callable[[str], None]) -> Outcome:
    """Reap in the place of this session."""
    tools = BareTerraform(
        aws=order.aws,
        binary=session.target.terraform,
        environment=session.target.process,
        listen=lambda event: _tell(session, event),
        cancel=Urgent(session.signals),
    )

    def terraform(state: StoredState, document: Mapping[str, Any], directory: Path) -> Terraform:
        made = tools.on(state, document, directory)
        session.signals.on_request(lambda count: made.interrupt() if count == 2 else None)  # noqa: PLR2004 - the second request
        return made

    return reap_with(session, order, Reaper(Ec2Sweeper(session.aws), terraform), confirm)


def reap_with(session: ImageSession, order: Order, ports: Reaper, confirm: Callable[[str], None]) -> Outcome:
    """Reap with these ports; tell everything that goes, and why, before anything does."""
    now = ports.sweeper.now()
    lefts = [left for place in order.places for left in place()]
    at_work = {left.environment for left in lefts if left.running()}
    over = [left for left in lefts if _is_over(session, left, now, at_work)]
    stays = at_work | {left.environment for left in lefts if left not in over}  # whatever the tags say: a record is the later word
    reaping = Reaping(ports.sweeper, session.patience, now, stays)
    found = reaping.found()
    goes = _tell_found(session, found, now, stays)
    if not over and not goes:
        session.tell(Noted("info", "no test environment is past its time"))
        return Outcome("nothing_to_do")
    if order.dry_run:
        return Outcome()
    confirm(f"Remove {len(over)} environments and {goes} things in the cloud, the data in them too?")
    problems = [problem for left in over if (problem := _destroyed(session, left, ports, reaping, stays))]
    problems += reaping.everything()
    problems += [problem for left in over if not _left_of(left, reaping, problems) and (problem := _forgotten(session, left))]
    if problems:
        raise PersonNeeded(f"not all is gone: {'; '.join(problems)}", next="find out why; `immtf reap` goes on with what is left")
    return Outcome()


def _is_over(session: ImageSession, left: Left, now: float, at_work: set[str]) -> bool:
    """Decide on an environment by its record, and tell what a person should know of it."""
    if left.record is None:
        session.tell(Noted("warning", f"environment {left.environment} is left: {left.problem} ({left.where})"))
        return False
    fate = fate_of_record(left.record, now, running=left.environment in at_work, environment=left.environment)
    if fate.goes:
        blocks = ", ".join(left.record.blocks) or "no block that is told"
        session.tell(Noted("info", f"environment {left.environment} goes: {fate.why} ({left.where}; {blocks})"))
    elif fate.told:
        session.tell(Noted("warning", f"environment {left.environment} is left: {fate.why} ({left.where})"))
    return fate.goes


def _tell_found(session: ImageSession, found: Sequence[Found], now: float, at_work: set[str]) -> int:
    """Tell, of everything that bears a test's tags, what goes, and what stays that a person should know of; return how many go."""
    goes = 0
    for item in found:
        fate = fate_of(item.stray.tags, now, at_work)
        if fate.goes:
            goes += 1
            session.tell(Noted("info", f"{item} goes: {fate.why} (environment {item.stray.tags.get(ENVIRONMENT, '-')})"))
    for text in spared(found, now, at_work):
        session.tell(Noted("warning", text))
    return goes


def _destroyed(session: ImageSession, left: Left, ports: Reaper, reaping: Reaping, stays: set[str]) -> str:
    """Destroy what an environment's states have; return what is in the way, or "". One in which work began meanwhile `stays`."""
    try:
        check_cancel(session.patience, "reap")
        if left.running():
            stays.add(left.environment)
            return f"environment {left.environment}: somebody is at work in it by now"
        if problem := reaping.instances(left.environment):
            return f"environment {left.environment}: {problem}"
        for freed in left.free():
            session.tell(Noted("warning", f"removed: {freed}"))
        states = left.states()
        documents = {state.block: _document(session, state) for state in states}
        for block in _order(documents):
            _destroy_state(session, next(state for state in states if state.block == block), documents[block], ports)
    except (Interrupted, CredentialsRefused):
        raise
    except ImmtfError as error:
        return f"environment {left.environment}: {f'{error.where}: ' if error.where else ''}{error.what}"
    return ""


def _document(session: ImageSession, state: StoredState) -> Mapping[str, Any]:
    """Return a state as a document. One of no bytes, as a Terraform leaves it that is killed in its first apply, tells of nothing."""
    if state.text.strip():
        return document_of(state.text)
    session.tell(Noted("warning", f"the state of {state.block or 'the block'} is empty: what its Terraform made is found by its tags only"))
    return {"resources": [], "outputs": {}}


def _order(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the states' names, consumers first: by what each block's own output tells of what it requires."""
    told = {name: requires_of(document) for name, document in documents.items()}
    by_block = {block or name: name for name, (block, _) in told.items()}
    return in_order({name: [by_block[other] for other in requires if other in by_block] for name, (_, requires) in told.items()})


def _destroy_state(session: ImageSession, state: StoredState, document: Mapping[str, Any], ports: Reaper) -> None:
    if not document["resources"]:
        return
    session.tell(Noted("info", f"destroying what the state of {state.block or 'the block'} has"))
    with tempfile.TemporaryDirectory(prefix="immtf-reap-") as directory:
        terraform = ports.terraform(state, document, Path(directory))
        saved = terraform.plan(destroy=True)
        refuse(judge_destroy(saved.data), f"block {state.block}")
        check_cancel(session.patience, "reap")
        if saved.changed:
            terraform.apply(saved)


def _left_of(left: Left, reaping: Reaping, problems: Sequence[str]) -> bool:
    """Return whether anything of an environment may be left: its record has to stay then."""
    return bool(problems) and (
        any(problem.startswith(f"environment {left.environment}: ") for problem in problems)
        or any(item.stray.tags.get(ENVIRONMENT) == left.environment for item in reaping.found())
    )


def _forgotten(session: ImageSession, left: Left) -> str:
    """Look once more that its states hold nothing, then remove them with the record; return what is in the way, or ""."""
    try:
        held = [state.block for state in left.states() if state.text.strip() and document_of(state.text)["resources"]]
        if held:
            return f"environment {left.environment}: the states of {', '.join(held)} still have something"
        left.forget()
    except ImmtfError as error:
        return f"environment {left.environment}: {f'{error.where}: ' if error.where else ''}{error.what}"
    session.tell(Noted("info", f"environment {left.environment} is gone, with its states and its record"))
    return ""


def _tell(session: ImageSession, event: TerraformEvent) -> None:
    if event.kind == "note":
        session.tell(Noted("warning", event.message))
    elif event.kind in TOLD:
        session.tell(TerraformTold("", event.kind, event.address, event.action, event.elapsed_s, event.message))
