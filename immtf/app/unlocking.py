"""The use case `unlock`: who holds a block's lease, and what a person does about one that is left.

Nothing is removed but on an explicit command, and never another lease than the one that was shown.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from immtf.adapters.lease.backend import Backend, read_backend
from immtf.adapters.lease.local import holder_of, told
from immtf.app.closing import Outcome
from immtf.app.leasing import store_for
from immtf.errors import LeaseHeld
from immtf.model.events import Noted
from immtf.model.lease import Holder, LeaseRecord
from immtf.plan.lease import DEFAULT_TTL_S, freed, lease_text, parse_lease

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from immtf.adapters.lease.backend import S3Place
    from immtf.adapters.lease.store import Seen, Store
    from immtf.app.session import Session

UNLOCK_TRIES = 10


def unlock(session: Session, file: Path, *, force: bool, confirm: Callable[[str], None]) -> Outcome:
    """Show who holds the lease; with `force`, and confirmed, remove it where it stands beside a remote state.

    Raises `LeaseHeld` where it is held and not removed: the one on this machine can't be, it ends with its process.
    """
    _refuse_local(file)
    place = _backend(session).s3
    if place is None:
        session.tell(Noted("info", "no run holds the lease"))
        return Outcome("nothing_to_do")
    store = store_for(session, place, place.lease, DEFAULT_TTL_S)
    removed = _unlock_remote(session, store, force=force, confirm=confirm)
    _tell_terraforms(session, place)
    return Outcome("done" if removed else "nothing_to_do")


def _refuse_local(file: Path) -> None:
    holder = holder_of(file)
    if holder is None:
        return
    pid = holder.get("pid", "")
    raise LeaseHeld(
        f"the lease is held on this machine: {told(holder)}",
        where=str(file),
        next=f"it ends with its process and can't be removed: wait for it, or ask it to stop at a safe point: kill -TERM {pid or 'PID'}",
    )


def _backend(session: Session) -> Backend:
    """Return where the state is; where the environment keeps it in a file that is known, else Terraform has to be initialised to know."""
    if session.target.directory is not None and "local" in session.target.override.get("terraform", {}).get("backend", {"local": {}}):
        return Backend("local")
    session.open(None)
    return read_backend(session.terraforms[-1].root, session.target.process)


def _unlock_remote(session: Session, store: Store, *, force: bool, confirm: Callable[[str], None]) -> bool:
    """Remove the lease that is seen and confirmed, and no other; return whether there was one."""
    asked: str | None = None
    for _ in range(UNLOCK_TRIES):
        seen = store.read()
        record = parse_lease(seen.body) if seen else None
        if seen is None or (record is not None and record.free):
            session.tell(Noted("info", f"no run holds the lease {store}"))
            return asked is not None
        if asked is not None and asked != _identity(record, seen):
            raise LeaseHeld("the lease changed hands meanwhile", where=str(store), next="look again with `immtf unlock`")
        if asked is None:
            _show_and_ask(session, store, record, force=force, confirm=confirm)
            asked = _identity(record, seen)
        if store.replace(lease_text(freed(record or _nobody())), seen.etag) is not None:
            session.tell(Noted("warning", f"removed: the lease {store}; a run that held it makes no further change"))
            return True
    raise LeaseHeld("the lease is renewed too often to be removed", where=str(store), next="its run is alive: end that run")


def _show_and_ask(session: Session, store: Store, record: LeaseRecord | None, *, force: bool, confirm: Callable[[str], None]) -> None:
    whose = str(record.holder) if record else "what this version of immtf can't read"
    if not force:
        way = (
            "wait until that run has ended; a dead one's is taken over by the next run; if that can't be waited for: `immtf unlock --force`"
        )
        raise LeaseHeld(f"the lease is held: {whose}", where=str(store), next=way)
    session.tell(Noted("warning", f"the lease {store} is held: {whose}"))
    confirm(f"Remove this lease? It is held by {whose}. If that run is alive, it stops before its next change.")


def _identity(record: LeaseRecord | None, seen: Seen) -> str:
    return record.token if record else seen.etag


def _nobody() -> LeaseRecord:
    holder = Holder(run="none", who="immtf unlock", command="unlock", pid=0, since="")
    return LeaseRecord(holder=holder, token="", ttl_s=DEFAULT_TTL_S)


def _tell_terraforms(session: Session, place: S3Place) -> None:
    """Tell whose Terraform's own lock is, where it is an object beside the state; it is Terraform's to break."""
    store = store_for(session, place, place.lock, DEFAULT_TTL_S)
    seen = store.read()
    if seen is None:
        return
    try:
        lock: Any = json.loads(seen.body)
        holder, number = f"{lock['Who']} since {lock['Created']} ({lock['Operation']})", str(lock["ID"])
    except (ValueError, KeyError, TypeError):
        holder, number = "somebody it doesn't name", "ID"
    command = f"{session.target.terraform} -chdir={shlex.quote(str(session.block.terraform))} force-unlock {number}"
    session.tell(Noted("warning", f"Terraform's own lock {store} is held by {holder}; if that Terraform is surely dead: {command}"))
