"""What a test stands on: its environment, with a record and a time to live, and the blocks that its own block needs.

The record is written beside the states before the first resource is made, and everything that is made bears its tags; so that whatever
becomes of this process, `immtf reap` finds all of it. The blocks that are needed are made first, each by a run of its own, and
destroyed last; the record goes when nothing is left.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.adapters import records
from immtf.adapters.terraform.hcl import adopts
from immtf.app.blocks import Job, run_many
from immtf.app.leasing import bucket_of
from immtf.app.lifetime import timer
from immtf.errors import BlocksFailed, GateFailed, ImmtfError, Interrupted, UsageError
from immtf.model.events import Noted
from immtf.plan.reaping import new_record, tags_of
from immtf.plan.sweep import ENVIRONMENT as ENVIRONMENT_TAG
from immtf.plan.sweep import whole_tags
from immtf.plan.waits import waits_for
from immtf.run.blocks import WELL
from immtf.run.fence import unguarded
from immtf.run.sweep import Sweep
from immtf.run.upgrade import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from immtf.app.session import Session
    from immtf.app.target import Target
    from immtf.model.block import Block
    from immtf.run.blocks import Tally

LIFE_S = 6 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a person wants of a test besides the test itself.

    `producers` are the blocks to make first, in order. `place` gives the options that lead another command to the test's environment,
    `children` is the environment of such. `keep`: a test that fails is left as it is, for `life_s` seconds from its beginning. `definition`
    is the file by which the environment is made, "" for none. `variables` writes the user's Terraform variables for each producer below a
    directory and gives the options that name them, for as long as it is entered. `run` carries a job out, `after` has something done later.
    """

    producers: tuple[Block, ...] = ()
    place: Callable[[Target], Sequence[str]] = lambda _target: ()
    children: Mapping[str, str] = field(default_factory=dict)
    life_s: float = LIFE_S
    keep: bool = False
    definition: str = ""
    variables: Callable[[Path], AbstractContextManager[Mapping[str, str]]] = lambda _directory: nullcontext({})
    run: Callable[..., Tally] = run_many
    after: Callable[[float, Callable[[], None]], Callable[[], None]] = timer


def begin(session: Session, ground: Ground) -> None:
    """Make sure that the environment is this test's alone, and write down that it is, and until when. Nothing is made yet.

    Raises `UsageError` where it is no test's, or where there is something in it already.
    """
    target = session.target
    if not target.is_test:
        raise UsageError(f"the environment {target.environment} is no test's", next="leave --environment out: a test makes its own")
    refuse_adopted(session, *ground.producers, session.block)
    shared = _refuse_taken(session, ground)
    directory = _record_directory(target)
    if directory is None:
        return
    sweeper = session.sweeper()
    if target.generated and (found := [row.identity for row in sweeper.found("instance", {ENVIRONMENT_TAG: target.environment})]):
        raise UsageError(
            f"something bears the name {target.environment} already: {', '.join(found)}", next="run it again: it gets another name"
        )
    blocks = tuple(str(block.directory) for block in (*ground.producers, session.block))
    record = new_record(target.environment, blocks, at=sweeper.now(), life=ground.life_s, definition=ground.definition)
    if shared:  # what others have there has no end, and `reap` takes a whole environment
        record = replace(record, created="", expires="")
    _tell_reap(session, ground, shared=shared)
    bucket = bucket_of(target)
    if bucket is not None and session.leases is not None:
        session.leases.take_environment(session, bucket)
    records.write(directory / records.RECORD, record)
    if bucket is not None:
        bucket.write(record)
    session.target = replace(target, tags=tags_of(record))


def _tell_reap(session: Session, ground: Ground, *, shared: bool) -> None:
    """Tell where `reap` will not find all that this test may leave."""
    target = session.target
    if shared:
        text = "others have blocks in it, so it gets no time to live: what this test leaves there, `immtf reap` won't take away"
    elif ground.definition and target.cloud != "lab" and bucket_of(target) is None:
        where = "its states are not in one bucket in S3, with a directory for each environment"
        text = f"{where}, so `immtf reap` finds no record of it: what this test leaves is found by its tags only, an hour after its end"
    else:
        return
    session.tell(Noted("warning", f"environment {target.environment}: {text}"))


def refuse_adopted(session: Session, *blocks: Block) -> None:
    """Refuse blocks that take things into their state that exist: a test destroys all that its state has, whoever made it."""
    for block in blocks if session.target.cloud != "lab" else ():
        if adopts(block.terraform):
            raise UsageError(
                f"block {block.name} {block.version} takes things that exist into its state (`import`), and a test would destroy them",
                where=str(block.terraform),
                next="take its import blocks out where they have done their work, or test it in a lab (--lab)",
            )


def _refuse_taken(session: Session, ground: Ground) -> bool:
    """Return whether others have something in the environment.

    Refuse it where it has states that the test would destroy: a generated one of any block, another one of this block or of one that it
    needs.
    """
    target = session.target
    there = target.states.there() if target.states else ()
    if there is None:
        there = (session.block.name,) if session.glance().terraform.state().resources else ()
        session.world = None
    mine = {session.block.name, *(block.name for block in ground.producers)}
    taken = [name for name in there if target.generated or name in mine]
    if taken:
        raise UsageError(
            f"in the environment {target.environment} there is something already: {', '.join(taken)}",
            next=f"a test destroys what it is of: destroy it first (`immtf destroy {target.flags}`), or leave the environment's name out",
        )
    return bool(there)


def make(session: Session, ground: Ground) -> None:
    """Make the blocks that are needed, each after those that it needs itself. Raises `BlocksFailed` where one can't be made."""
    if ground.producers:
        with stage(session.patience, "producers", f"the blocks that {session.block.name} needs: {_names(ground.producers)}"):
            _run(session, ground, "create")


def end(session: Session, ground: Ground, *, failed: bool) -> None:
    """Destroy the blocks that were needed, consumers first, then sweep the whole environment; the record goes when nothing is left.

    Where the test failed already, a failure here is told and doesn't hide the first one.
    """
    try:
        if ground.producers and session.target.environment:
            with stage(session.patience, "clean-up", f"the blocks that were needed are destroyed: {_names(ground.producers)}"):
                _run(session, ground, "destroy")
        _sweep_whole(session)
        _forget(session)
    except Interrupted:
        raise
    except ImmtfError as error:
        left = f"the test environment {session.target.environment} is left: {error.what}"
        if not failed:
            raise GateFailed(left, where=error.where, next=error.next or "`immtf reap` removes it when its time is over") from error
        session.tell(Noted("warning", left))


def keep(session: Session, ground: Ground) -> None:
    """Leave the environment as it is, and tell its name, until when, and the commands that look at it and destroy it."""
    target = session.target
    directory = _record_directory(target)
    record = records.read(directory / records.RECORD) if directory else None
    if directory is not None and record is not None:
        record = replace(record, kept=True)
        records.write(directory / records.RECORD, record)
        if (bucket := bucket_of(session.target)) is not None:
            bucket.write(record)
    until = f" until {record.expires}, then `immtf reap` removes it" if record and record.expires else ""
    session.tell(Noted("warning", f"kept: the test environment {target.environment} is left as it is{until}"))
    more = f" {session.elsewhere}" if session.elsewhere else ""
    session.tell(Noted("info", f"look at it: immtf status {target.flags}{more}"))
    options = " ".join(ground.place(target))
    destroy = [f"immtf destroy {target.flags}{more} --yes"]
    options += more if session.variables else ""  # without one that has no default nothing is destroyed
    destroy += [f"immtf destroy {block.directory} {options} --yes" for block in reversed(ground.producers)]
    session.tell(Noted("info", f"destroy it: {' && '.join(destroy)}"))


def _run(session: Session, ground: Ground, command: str) -> None:
    """Run a command on each of the blocks, in its order."""
    blocks = {block.name: block.directory for block in ground.producers}
    order = tuple(blocks) if command == "create" else tuple(reversed(blocks))
    requires = {block.name: tuple(block.requires) for block in ground.producers}
    job = Job(
        command=command,
        blocks={name: blocks[name] for name in order},
        waits_for=waits_for(command, requires, order),
        options=tuple(ground.place(session.target)),
        versions={block.name: block.version for block in ground.producers},
    )
    began = session.clock.monotonic()
    directory = session.target.runs / session.run_id / command
    with ground.variables(directory / "variables") as files:
        tally = ground.run(
            replace(job, own={name: (word,) for name, word in files.items()}),
            directory=directory,
            environment=ground.children,
            patience=session.patience,
            pause=session.signals.is_pause,
        )
    session.ledger.elsewhere_s += session.clock.monotonic() - began
    unwell = [end for end in tally.ends if end.ending not in WELL]
    if unwell:
        told = "; ".join(f"{end.block}: {end.problem}" for end in unwell if end.problem) or ", ".join(end.block for end in unwell)
        following = next((end.next for end in unwell if end.next), "")
        raise BlocksFailed(f"the blocks that {session.block.name} needs: {command} failed: {told}", code=tally.code, next=following)


def _sweep_whole(session: Session) -> None:
    """Take away what is in no state and bears the tags of this test, of whatever block. Only where immtf made its name up."""
    target = session.target
    tags = whole_tags(target.environment, is_test=target.is_test, generated=target.generated) if target.tags else {}
    if tags:
        guard = session.world.guard if session.world else unguarded
        Sweep(session.sweeper(), tags, session.patience, guard).everything()


def _forget(session: Session) -> None:
    """Remove the record of what is gone; an environment that a person named stays a test's."""
    directory = _record_directory(session.target)
    if directory is None:
        return
    if (bucket := bucket_of(session.target)) is not None:
        if session.leases is not None:
            session.leases.leave_environment()
        bucket.remove(session.target.environment)
    path = directory / records.RECORD
    record = records.read(path)
    if record is not None and not session.target.generated and session.target.cloud != "lab":
        records.write(path, replace(record, created="", expires="", blocks=(), kept=False))
    else:
        path.unlink(missing_ok=True)


def _record_directory(target: Target) -> Path | None:
    """Return where the record of an environment is kept here: with the states of its blocks, of a lab in the lab's own directory."""
    if target.directory is None:
        return None
    return target.directory.parent.parent if target.cloud == "lab" else target.directory.parent


def _names(blocks: Sequence[Block]) -> str:
    return ", ".join(f"{block.name} {block.version}" for block in blocks)
