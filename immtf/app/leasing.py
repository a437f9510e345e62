"""How a run comes to its leases, keeps them and gives them back.

On this machine the lease is taken before anything else. Beside a remote state it is taken when Terraform has been initialised: only
then it is known for sure where the state is, and init changes nothing in the world.

A test whose environment has its record in S3 holds the environment's lease besides, from before the record is written until it is gone: so
`immtf reap` never takes it for dead between the runs of two blocks. Every run looks, with its own lease taken, that no reap has that one.
"""

from __future__ import annotations

import os
import platform
import pwd
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.aws import Aws
from immtf.adapters.bucket import Bucket
from immtf.adapters.lease.backend import read_backend
from immtf.adapters.lease.s3 import S3Lease, awake_and_asleep
from immtf.adapters.lease.store import NO_CONDITIONS, s3_store
from immtf.adapters.lease.taking import Taker
from immtf.adapters.records import REAPED, refuse_reaped
from immtf.errors import CloudFailed, ImmtfError, LeaseHeld, UsageError
from immtf.model.events import Noted
from immtf.model.lease import Holder, LeaseRecord
from immtf.plan.lease import DEFAULT_TTL_S
from immtf.run.gates import check_cancel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from immtf.adapters.lease.backend import S3Place
    from immtf.adapters.lease.local import LocalLease
    from immtf.adapters.lease.store import S3Store
    from immtf.app.session import Session
    from immtf.app.target import Target

MOUNTS = Path("/proc/self/mountinfo")
PARTS = 12  # of a time-to-live: the time a single call to the store may wait
SHORTEST_WAIT_S = 1.0


@dataclass
class Leases:
    """The leases of one run: on this machine, and beside the state where that is in S3. `ttl_s` is the latter's time-to-live.

    `environment` is that of a whole environment, which its test holds.
    """

    holder: Holder
    local: LocalLease
    ttl_s: float = DEFAULT_TTL_S
    remote: S3Lease | None = None
    looked: bool = False
    environment: S3Lease | None = None

    def confirm(self) -> None:
        """Make sure that every lease is this run's still. Raises `LeaseLost`."""
        self.local.confirm()
        for lease in (self.remote, self.environment):
            if lease is not None:
                lease.confirm()

    def complete(self, session: Session, root: Path) -> None:
        """Take the lease beside the state of an initialised root module, once a run. Raises as `take_remote`."""
        if not self.looked:
            self.remote = take_remote(session, root, self.holder, self.ttl_s)
            refuse_removed(session.target)
            self.looked = True

    def take_environment(self, session: Session, bucket: Bucket) -> None:
        """Take the lease of the whole environment, as its test. Raises as `take_remote`."""
        self.environment = _taken(session, bucket.lease(session.target.environment), self.holder, self.ttl_s)

    def leave_environment(self) -> None:
        """Give the lease of the whole environment back. May be repeated."""
        if self.environment is not None:
            self.environment.release()
            self.environment = None

    def lend(self) -> AbstractContextManager[None]:
        """Let the container of a previous version have the lease on this machine for as long; see `LocalLease.lend`."""
        return self.local.lend(asdict(self.holder))

    def release(self) -> None:
        """Give back what is beside the state; the one on this machine ends with its holder's block. May be repeated."""
        if self.remote is not None:
            self.remote.release()
        self.leave_environment()


def make_holder(run: str, command: str, since: str, environment: Mapping[str, str]) -> Holder:
    """Return who this process is to others that want its lease."""
    user = environment.get("USER") or environment.get("LOGNAME") or _account(os.getuid())
    return Holder(run=run, who=f"{user}@{platform.node() or 'unknown'}", command=command, pid=os.getpid(), since=since)


def _account(uid: int) -> str:
    """Return an account's name; in a container there may be none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def take_remote(session: Session, root: Path, holder: Holder, ttl_s: float) -> S3Lease | None:
    """Take the lease beside the state of an initialised root module, and have it renewed from now on.

    None where the state is no object in S3: then the lease on this machine is all there is, which is told where the state isn't here.
    Raises `LeaseHeld`, `Interrupted`, or `CloudFailed`; `UsageError` where the state would be gone with the container.
    """
    backend = read_backend(root, session.target.process)
    if backend.s3 is None:
        if backend.kind == "local":
            _refuse_lost(session, root)
        else:
            session.tell(Noted("warning", _only_here(f"the state is in a {backend.kind} backend")))
        return None
    return _taken(session, store_for(session, backend.s3, backend.s3.lease, ttl_s), holder, ttl_s)


def _taken(session: Session, store: S3Store, holder: Holder, ttl_s: float) -> S3Lease | None:
    """Take a lease that is an object; None, and told, where its store can't hold one."""
    mine = LeaseRecord(holder=holder, token=secrets.token_hex(16), ttl_s=ttl_s)
    taker = Taker(store, mine, session.clock, awake_and_asleep, session.tell, lambda: check_cancel(session.patience, str(store)))
    try:
        taken = taker.take()
    except CloudFailed as error:
        if error.code in NO_CONDITIONS:
            session.tell(Noted("warning", _only_here(f"{store}: this store makes no conditional writes")))
            return None
        raise _explained(error, str(store)) from error
    lease = S3Lease(store, taken, tell=session.tell)
    lease.start()
    return lease


def refuse_removed(target: Target) -> None:
    """Refuse to work in an environment that a reap is removing, on this machine or elsewhere. Raises `LeaseHeld`.

    To be asked with the run's own lease taken: a reap takes the environment's first, and looks at the blocks' then.
    """
    if not target.is_test or target.directory is None:
        return
    refuse_reaped(target.directory.parent)
    bucket = bucket_of(target)
    if bucket is not None and (by := bucket.reaped_by(target.environment)):
        what = f"this environment is being removed, its time was over: {by}"
        raise LeaseHeld(what, where=str(bucket.lease(target.environment)), next=REAPED)


def bucket_of(target: Target) -> Bucket | None:
    """Return where the record of an environment is kept beside states in S3; None where they are elsewhere."""
    template = target.states.template if target.states else None
    if template is None or not Bucket.serves(template):
        return None
    return Bucket(template, Aws.from_environment(target.process), target.process)


def _refuse_lost(session: Session, root: Path) -> None:
    """Refuse a state that is a file in immtf's container and in no mount of it: it would be gone with the container."""
    if session.target.is_test or session.target.process.get("IMMTF_INSIDE") != "container":
        return
    mounts = {line.split()[4].replace("\\040", " ") for line in MOUNTS.read_text().splitlines()}
    place = root.resolve()
    if not any(str(part) in mounts for part in (place, *place.parents) if part != Path("/")):
        raise UsageError(
            "Terraform's state would be a file in this container, and gone with it",
            where=str(root),
            next="configure a backend, e.g. S3, or mount the block from outside: see `immtf docker-args`",
        )


def store_for(session: Session, place: S3Place, key: str, ttl_s: float) -> S3Store:
    """Return the store of an object beside the state, with waits that fit a lease of this time-to-live."""
    return s3_store(place, key, session.aws, session.target.process, timeout_s=max(SHORTEST_WAIT_S, ttl_s / PARTS))


def _only_here(why: str) -> str:
    return f"{why}: the lease keeps out other runs on this machine only, Terraform's own lock those elsewhere"


def _explained(error: CloudFailed, where: str) -> ImmtfError:
    if error.code not in {"AccessDenied", "403"}:
        return error
    return CloudFailed(
        f"the lease can't be kept beside the state: {error.what}",
        code=error.code,
        where=where,
        next="allow s3:GetObject and s3:PutObject on this object too, as for the state",
    )
