"""The use case `reap`: what tests left that were killed, or told to keep what failed, is found by its record and by its tags, and removed.

First by record: an environment whose time is over is destroyed with what its states have, consumers before producers, each by a root
module that is made from the state (its block need not be there); its instances go first, so that no volume is held. Then by tag: what is in
no state. States, locks and the record are removed last, and only when nothing is left: as long as anything is, the next `reap` finds it.

From the question to its end the leases of each environment are held, the same ones that runs take: what somebody holds is told, and left.
What can't be read is told too, holds up nothing else, and is an error in the end.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.clock import Urgent
from immtf.adapters.records import document_of
from immtf.adapters.sweeper import Ec2Sweeper
from immtf.adapters.terraform.bare import BareTerraform
from immtf.app.closing import Outcome
from immtf.app.grasp import Grasp, told_of
from immtf.errors import CredentialsRefused, ImmtfError, Interrupted, PersonNeeded
from immtf.model.events import Noted, TerraformTold
from immtf.model.reaping import KINDS
from immtf.plan.bare import in_order, requires_of
from immtf.plan.judge import judge_destroy, refuse
from immtf.plan.reaping import View, fate_of, fate_of_record, spared
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
    lefts, unread = _records(session, order)
    with ExitStack() as stack:
        grasp = Grasp(session, stack, dry_run=order.dry_run)
        over = [left for left in lefts if _is_over(session, left, now) and grasp.takes(left)]
        goes = {left.environment for left in over}
        for left in over:
            session.tell(Noted("info", _going(left)))
        grasp.stays |= {left.environment for left in lefts} - goes  # whatever the tags say: a record is the later word
        view = View(now, grasp.stays, goes, blind=bool(unread))
        reaping = Reaping(ports.sweeper, session.patience, view, grasp.look)
        things = _tell_found(session, reaping.found(), view)
        if (over or things) and not order.dry_run:
            confirm(f"Remove {len(over)} environments and {things} things in the cloud, the data in them too?")
            _remove(session, over, grasp, ports, reaping)
    if grasp.problems:
        what = "; ".join((*grasp.problems, *unread))
        raise PersonNeeded(f"not all is gone: {what}", next="find out why; `immtf reap` goes on with what is left")
    if unread:
        raise ImmtfError(f"not all could be looked at: {'; '.join(unread)}", next="let this user read there, then run it again")
    if not over and not things:
        session.tell(Noted("info", "no test environment is past its time"))
        return Outcome("nothing_to_do")
    return Outcome()


def _remove(session: ImageSession, over: Sequence[Left], grasp: Grasp, ports: Reaper, reaping: Reaping) -> None:
    """Remove what is over, each environment by its states, then all by tag; an environment in which something is left keeps its record."""
    whole = [left for left in over if not grasp.fails(left, partial(_destroy, session, left, grasp, ports, reaping))]
    grasp.problems += reaping.everything()
    for left in whole:
        grasp.fails(left, partial(_forget, session, left, grasp, reaping))


def _records(session: ImageSession, order: Order) -> tuple[list[Left], list[str]]:
    """Return the environments that have a record, each once, and what could not be read."""
    found: dict[str, Left] = {}
    unread: list[str] = []
    for place in order.places:
        try:
            found |= {left.where: left for left in place()}
        except (Interrupted, CredentialsRefused):
            raise
        except ImmtfError as error:
            unread.append(told_of(error))
            session.tell(Noted("warning", f"not looked at: {unread[-1]}"))
    return list(found.values()), unread


def _is_over(session: ImageSession, left: Left, now: float) -> bool:
    """Decide on an environment by its record, and tell what a person should know of it."""
    if left.record is None:
        session.tell(Noted("warning", f"environment {left.environment} is left: {left.problem} ({left.where})"))
        return False
    fate = fate_of_record(left.record, now, environment=left.environment)
    if fate.told:
        session.tell(Noted("warning", f"environment {left.environment} is left: {fate.why} ({left.where})"))
    return fate.goes


def _going(left: Left) -> str:
    blocks, expires = (left.record.blocks, left.record.expires) if left.record else ((), "")
    told = ", ".join(blocks) or "no block that is told"
    return f"environment {left.environment} goes: its time was over at {expires} ({left.where}; {told})"


def _tell_found(session: ImageSession, found: Sequence[Found], view: View) -> int:
    """Tell, of everything that bears a test's tags, what goes, and what stays that a person should know of; return how many go."""
    goes = 0
    for item in found:
        fate = fate_of(item.stray.tags, view)
        if fate.goes:
            goes += 1
            session.tell(Noted("info", f"{item} goes: {fate.why} (environment {item.stray.tags.get(ENVIRONMENT, '-')})"))
    for text in spared(found, view):
        session.tell(Noted("warning", text))
    return goes


def _destroy(session: ImageSession, left: Left, grasp: Grasp, ports: Reaper, reaping: Reaping) -> None:
    """Destroy what an environment's states have. Raises `ImmtfError` for what is in the way."""
    for freed in left.free():
        session.tell(Noted("warning", f"removed: {freed}"))
    if problem := reaping.instances(left.environment):
        raise PersonNeeded(problem)
    states = left.states()
    documents = {state.block: _document(session, state) for state in states}
    for block in _order(documents):
        state = next(state for state in states if state.block == block)
        _destroy_state(session, state, documents[block], ports, partial(grasp.confirm, left))


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


def _destroy_state(
    session: ImageSession, state: StoredState, document: Mapping[str, Any], ports: Reaper, confirm: Callable[[], None]
) -> None:
    if not document["resources"]:
        return
    confirm()
    session.tell(Noted("info", f"destroying what the state of {state.block or 'the block'} has"))
    with tempfile.TemporaryDirectory(prefix="immtf-reap-") as directory:
        terraform = ports.terraform(state, document, Path(directory))
        saved = terraform.plan(destroy=True)
        refuse(judge_destroy(saved.data), f"block {state.block}")
        check_cancel(session.patience, "reap")
        confirm()
        if saved.changed:
            terraform.apply(saved)


def _forget(session: ImageSession, left: Left, grasp: Grasp, reaping: Reaping) -> None:
    """Look once more that its states hold nothing, and that nothing bears its name; then remove them with the record."""
    states = left.states()
    if held := [state.block for state in states if state.text.strip() and document_of(state.text)["resources"]]:
        raise PersonNeeded(f"the states of {', '.join(held)} still have something")
    if things := reaping.of(left.environment):
        raise PersonNeeded(f"there is still something that bears its name: {', '.join(map(str, things))}")
    if empty := [state.block or "the block" for state in states if not state.text.strip()]:
        session.tell(Noted("warning", f"environment {left.environment}: {_found_by_tag(empty)}"))
    left.forget()
    grasp.let_go(left)
    session.tell(Noted("info", f"environment {left.environment} is gone, with its states and its record"))


def _found_by_tag(empty: Sequence[str]) -> str:
    kinds = ", ".join(kind.replace("-", " ") for kind in KINDS)
    killed = f"the state of {', '.join(empty)} was empty, as a Terraform leaves it that is killed in its first apply"
    return f"{killed}: what it made was looked for by its tags, and is gone as far as it is of these kinds: {kinds}"


def _tell(session: ImageSession, event: TerraformEvent) -> None:
    if event.kind == "note":
        session.tell(Noted("warning", event.message))
    elif event.kind in TOLD:
        session.tell(TerraformTold("", event.kind, event.address, event.action, event.elapsed_s, event.message))
