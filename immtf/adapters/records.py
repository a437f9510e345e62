"""The records of test environments: written beside the states before the first resource is made, and found again by `reap`.

Three places: `<home>/environments/NAME/` for an environment that immtf keeps, the directory of a lab, and for a definition the directory of
its states in S3 (`bucket`). In each the record goes last: as long as anything of an environment is left, it is found again.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from immtf.adapters import tether
from immtf.adapters.files import replace_file
from immtf.adapters.lease import holder_of
from immtf.adapters.lease.local import told
from immtf.adapters.states import is_bare
from immtf.adapters.terraform import live_children
from immtf.adapters.terraform.localstate import copy_of
from immtf.adapters.terraform.unsaved import FILE as UNSAVED
from immtf.errors import ImmtfError, LeaseHeld
from immtf.model.environment import Backend
from immtf.model.reaping import Left, Record, StoredState
from immtf.plan.environments import FILE
from immtf.plan.reaping import read_record, record_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from immtf.adapters.lease.hands import Hands

RECORD = "environment.json"
LOCK = "test.lock"
LEASE = "lease"
REAP = "reap.lease"  # beside the blocks' directories: who has it removes the whole environment
REAPED = "work in another one, or wait until it is gone and make it anew"


def write(path: Path, record: Record) -> None:
    """Write a record in one step. Raises `ImmtfError` where it can't be written: then nothing may be made."""
    replace_file(path, record_text(record))


def read(path: Path) -> Record | None:
    """Read a record; None where there is none. Raises `ImmtfError` where it can't be read."""
    try:
        return read_record(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ImmtfError(f"the environment's record can't be read: {error}", where=str(path), next="mend it, or remove it") from error


def kept_environments(home: Path, hands: Hands) -> tuple[Left, ...]:
    """Return the environments that immtf keeps in a home and that have a record; not those by a definition, whose states are elsewhere."""
    return _by_no_definition(_in(path.parent, path.parent, hands) for path in _kept(home))


def lab_environment(lab: Path, states: Path, hands: Hands, *, defined: bool = False) -> tuple[Left, ...]:
    """Return the same of a lab that is up, by the record in the lab's directory; `states` is where its states are.

    `defined`: by a definition, which keeps its states in S3 nowhere, so that in a lab they are in its directory.
    """
    found = (_in(lab, states, hands),) if (lab / RECORD).exists() else ()
    return found if defined else _by_no_definition(found)


def definitions_of(home: Path, lab: Path | None = None) -> Mapping[str, tuple[str, ...]]:
    """Return the definitions that tests of this home, or in a lab, made environments by, each with the names of those."""
    found: dict[str, list[str]] = {}
    for path in [lab / RECORD] if lab else _kept(home):
        with suppress(ImmtfError):
            record = read(path)
            if record is not None and record.definition:
                found.setdefault(record.definition, []).append(path.parent.name)
    return {definition: tuple(names) for definition, names in found.items()}


def _kept(home: Path) -> list[Path]:
    return sorted((home / "environments").glob(f"*/{RECORD}"))


def _by_no_definition(found: Iterable[Left]) -> tuple[Left, ...]:
    return tuple(left for left in found if left.record is None or not left.record.definition)


def _in(directory: Path, states: Path, hands: Hands) -> Left:
    """Return the environment whose record is in a directory; its states are in `states`."""
    name, where = directory.name, str(directory / RECORD)
    ways = (
        partial(_states_in, states),
        partial(at_work_in, directory, states),
        partial(held_in, directory, states, hands),
        partial(forget_in, directory, states),
    )
    try:
        return Left(name, where, read(directory / RECORD), *ways)
    except ImmtfError as error:
        return Left(name, where, None, *ways, problem=error.what)


def refuse_unsaved(directory: Path) -> None:
    """Refuse to go by states of which a later one could not be saved: what only that one knows of would be left, and forgotten."""
    for path in directory.rglob(UNSAVED):
        act = "save it by any command on its block there, such as `immtf destroy DIR --environment NAME`"
        raise ImmtfError("a later state could not be saved and is still here", where=str(path), next=act)


def _states_in(directory: Path) -> tuple[StoredState, ...]:
    refuse_unsaved(directory)
    found = []
    for path in (directory / FILE, *sorted(directory.glob(f"*/{FILE}"))):
        try:
            content = path.read_bytes()
            if not content.strip() and copy_of(path).exists():  # as Terraform leaves it that is killed; `TerraformCli` puts the copy back
                content = copy_of(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ImmtfError(f"a state can't be read: {error.strerror}", where=str(path)) from error
        if not is_bare(content):
            block = path.parent.name if path.parent != directory else ""
            found.append(StoredState(block, Backend("local", {"path": str(path.resolve())}), content.decode(errors="replace")))
    return tuple(found)


def at_work_in(directory: Path, states: Path) -> str:
    """Return who is at work in an environment on this machine, "" for nobody.

    That is a test that holds its lock, any run with the lease of one of the blocks, a reap, or a Terraform that outlived its run.
    """
    if tether.is_held(directory / LOCK):
        return "its test is at work"
    for path in (states / REAP, *_leases(states)):
        if (holder := holder_of(path)) is not None:
            return f"{path} is held: {told(holder)}"
    found = {process for path in states.rglob(".terraform") for process in live_children(path.parent)}
    return f"Terraform works in it, without its run: process {', '.join(map(str, sorted(found)))}" if found else ""


@contextmanager
def held_in(directory: Path, states: Path, hands: Hands) -> Iterator[Callable[[], None]]:
    """Hold all of an environment's leases on this machine, and give what confirms them. Raises `LeaseHeld` where anybody is at work.

    A run takes its block's lease first, and looks then whether a reap is at work; here it is the other way round, so one sees the other.
    """
    with ExitStack() as stack:
        confirm = stack.enter_context(hands.on_this_machine(states / REAP))
        for path in _leases(states):
            stack.enter_context(hands.on_this_machine(path))
        if tether.is_held(directory / LOCK):
            raise LeaseHeld("its test is at work", where=str(directory / LOCK))
        if found := [process for path in states.rglob(".terraform") for process in live_children(path.parent)]:
            raise LeaseHeld(f"Terraform works in it, without its run: process {', '.join(map(str, sorted({*found})))}", where=str(states))
        yield confirm


def refuse_reaped(states: Path) -> None:
    """Refuse to work in an environment that a reap of this machine is removing. Raises `LeaseHeld`."""
    holder = holder_of(states / REAP)
    if holder is not None:
        raise LeaseHeld(f"this environment is being removed, its time was over: {told(holder)}", where=str(states / REAP), next=REAPED)


def _leases(states: Path) -> list[Path]:
    return [path for path in (states / LEASE, *sorted(states.glob(f"*/{LEASE}"))) if path.exists()]


def forget_in(directory: Path, states: Path) -> None:
    """Remove all that is kept of an environment, its record at the very last. Of a lab only the states: the lab may go on."""
    try:
        for path in sorted(states.iterdir()) if states.is_dir() else ():
            if path.name == RECORD:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (directory / LOCK).unlink(missing_ok=True)
        (directory / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise ImmtfError(f"what is kept of it can't be removed: {error.strerror}", where=str(directory)) from error
    if states == directory:
        with suppress(OSError):
            directory.rmdir()


def document_of(text: str) -> Mapping[str, Any]:
    """Return a state as a document. Raises `ImmtfError` for one that can't be read: what it has is not known."""
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise ImmtfError(f"the state can't be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("resources"), list):
        raise ImmtfError("the state can't be read: it has no list of resources")
    return document
