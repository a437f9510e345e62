"""The records of test environments beside their states in S3, and the leases by which a live test is told from a dead one.

`<prefix>/<environment>/environment.json` stands beside `…/<block>/…`; the object of the same name with the lease's suffix is held by the
environment's test for as long as it lives, between its blocks' runs too, and by a reap while it removes the environment.
"""

from __future__ import annotations

import platform
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import translated
from immtf.adapters.lease.backend import LOCK_SUFFIX, SUFFIX, s3_place
from immtf.adapters.lease.store import S3Store, Seen, s3_client
from immtf.adapters.records import RECORD, at_work_in, forget_in, held_in, refuse_unsaved
from immtf.adapters.states import is_bare
from immtf.errors import CloudFailed, LeaseHeld
from immtf.model.environment import Backend
from immtf.model.reaping import Left, Record, StoredState
from immtf.plan.environments import BLOCK, ENVIRONMENT
from immtf.plan.lease import parse_lease
from immtf.plan.reaping import is_renewed, locked_by, may_hold, read_record, record_text
from immtf.plan.sweep import GENERATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from immtf.adapters.aws import Aws
    from immtf.adapters.lease.hands import Hands

TIMEOUT_S = 20.0
LEASE_TIMEOUT_S = 5.0  # a renewal that waits longer comes too late for the next one
_GONE = frozenset({"NoSuchKey", "404"})


class Bucket:
    """The environments of a definition whose states are in S3."""

    def __init__(self, template: Backend, aws: Aws, process: Mapping[str, str]) -> None:
        """Make the client; no call is made yet. `template` is the definition's backend, with its placeholders."""
        self._template, self._aws, self._process = template, aws, process
        self._place = place = s3_place(template.config, process)
        self._bucket, self._key, self._arguments = place.bucket, place.key, dict(place.arguments)
        self._client: Any = s3_client(place, aws, process, timeout_s=TIMEOUT_S)

    @staticmethod
    def serves(template: Backend) -> bool:
        """Return whether records can be kept beside the states of a template: in one bucket in S3, in a directory for each environment."""
        key, bucket = str(template.config.get("key") or ""), str(template.config.get("bucket") or "")
        if template.kind != "s3" or any(name in bucket for name in (ENVIRONMENT, BLOCK)):
            return False
        return f"{ENVIRONMENT}/" in key and key.index(ENVIRONMENT) < (key.find(BLOCK) % (len(key) + 1))

    def write(self, record: Record) -> None:
        """Write a record."""
        key = self._record(record.environment)
        with translated(f"s3://{self._bucket}/{key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=record_text(record).encode(), **self._arguments)

    def remove(self, environment: str) -> None:
        """Remove a record with the environment's lease; what is gone is no error."""
        self._delete(self._lease(environment))
        self._delete(self._record(environment))

    def lease(self, environment: str) -> S3Store:
        """Return the object that is the lease of a whole environment."""
        return self._store(self._lease(environment))

    def reaped_by(self, environment: str) -> str:
        """Return the reap that is removing an environment, as it tells of itself; "" for none, or one that is dead."""
        try:
            record, renewed, _ = self._seen(self._lease(environment))
        except CloudFailed as error:
            if error.code in _GONE:
                return ""
            raise
        return str(record.holder) if record is not None and renewed and record.holder.command == "reap" else ""

    def environments(self, local: Callable[[str], tuple[Path, Path]], hands: Hands, *, generated: bool = False) -> tuple[Left, ...]:
        """Return the environments that have a record here; those only whose names immtf made up, where they are all `generated`.

        Whoever may write to the bucket could put a record beside any environment's states, and name any directory of this machine.
        `local` gives, by an environment's name, where this machine has its lock and record, and where its blocks' work trees are. Only the
        directories in which environments are is listed, not what else is in the bucket.
        """
        head, _, tail = self._key.partition(ENVIRONMENT)
        end = f"{tail.partition('/')[0]}/"
        found = (path.removeprefix(head) for path in self._directories(head))
        names = sorted(name.removesuffix(end) for name in found if name.endswith(end))
        each = (self._left(name, local(name), hands) for name in names if _may_be(name, generated=generated))
        return tuple(left for left in each if left is not None)

    def _left(self, name: str, local: tuple[Path, Path], hands: Hands) -> Left | None:
        key, record, problem = self._record(name), None, ""
        try:
            record = read_record(self._text(key))
        except CloudFailed as error:
            if error.code in _GONE:
                return None
            problem = f"the environment's record can't be read: {error.what}"
        except ValueError as error:
            problem = f"the environment's record can't be read: {error}"
        ways = (
            partial(self._states, name, local),
            partial(self._at_work, name, local),
            partial(self._hold, name, local, hands),
            partial(self._forget, name, local),
        )
        return Left(name, f"s3://{self._bucket}/{key}", record, *ways, free=partial(self._free, name, local), problem=problem)

    def _states(self, name: str, local: tuple[Path, Path]) -> tuple[StoredState, ...]:
        refuse_unsaved(local[1])
        before, _, after = self._key.replace(ENVIRONMENT, name).partition(BLOCK)
        found = []
        for key in self._keys(before):
            block = key.removeprefix(before).removesuffix(after)
            if key == f"{before}{block}{after}" and "/" not in block and block:
                text = self._text(key)
                if not is_bare(text.encode()):
                    config = {**self._template.config, "key": key}
                    found.append(StoredState(block, Backend("s3", config), text))
        return tuple(found)

    def _at_work(self, name: str, local: tuple[Path, Path]) -> str:
        """Return who may be at work: on this machine by its locks, anywhere by a lease that was renewed of late."""
        if here := at_work_in(*local):
            return here
        for key in self._leases(name):
            record, renewed, _ = self._seen(key)
            if renewed:
                return f"s3://{self._bucket}/{key} was renewed of late: {record.holder if record else 'by whom, this immtf can not read'}"
        return ""

    @contextmanager
    def _hold(self, name: str, local: tuple[Path, Path], hands: Hands) -> Iterator[Callable[[], None]]:
        """Hold the environment's lease, then those of its blocks; a run takes its block's first and then looks at the environment's."""
        own = self._lease(name)
        with ExitStack() as stack:
            confirms = [stack.enter_context(held_in(*local, hands))] if local[1].is_dir() else []
            confirms.append(stack.enter_context(self._held(own, hands)))
            confirms += [stack.enter_context(self._held(key, hands)) for key in self._leases(name) if key != own]

            def confirm() -> None:
                for each in confirms:
                    each()

            yield confirm

    @contextmanager
    def _held(self, key: str, hands: Hands) -> Iterator[Callable[[], None]]:
        dead = None
        try:
            _, renewed, seen = self._seen(key)
            dead = None if renewed else seen
        except CloudFailed as error:
            if error.code not in _GONE:
                raise
        with hands.beside_state(self._store(key), dead) as confirm:
            yield confirm

    def _seen(self, key: str) -> tuple[Any, bool, Seen]:
        """Return a lease, whether its holder may be alive, and its object.

        By S3's own clock: when it was written, and when that was asked.
        """
        with translated(f"s3://{self._bucket}/{key}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            body = answer["Body"].read().decode(errors="replace")
        record = parse_lease(body)
        return record, is_renewed(record, _age_s(answer)), Seen(body, str(answer["ETag"]))

    def _free(self, name: str, local: tuple[Path, Path]) -> tuple[str, ...]:
        """Remove Terraform's locks beside the states, where nobody can hold them. Raises `LeaseHeld` for one that somebody may."""
        here, removed = platform.node() if (local[0] / RECORD).exists() else "", []
        for key in [key for key in self._keys(self._directory(name)) if key.endswith(LOCK_SUFFIX)]:
            with translated(f"s3://{self._bucket}/{key}"):
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                body = answer["Body"].read().decode(errors="replace")
            if held := may_hold(body, _age_s(answer), here=here):
                raise LeaseHeld(f"a lock of Terraform's may be held still: {held}", where=f"s3://{self._bucket}/{key}")
            self._delete(key)
            removed.append(f"the lock s3://{self._bucket}/{key}, which a killed Terraform left: {locked_by(body)}")
        return tuple(removed)

    def _forget(self, name: str, local: tuple[Path, Path]) -> None:
        forget_in(*local)
        last = [self._lease(name), self._record(name)]
        for key in [*(key for key in self._keys(self._directory(name)) if key not in last), *last]:
            self._delete(key)

    @cached_property
    def _lease_client(self) -> Any:
        return s3_client(self._place, self._aws, self._process, timeout_s=LEASE_TIMEOUT_S)

    def _store(self, key: str) -> S3Store:
        return S3Store(self._lease_client, self._place, key)

    def _leases(self, name: str) -> list[str]:
        return [key for key in self._keys(self._directory(name)) if key.endswith(SUFFIX)]

    def _lease(self, environment: str) -> str:
        return self._record(environment) + SUFFIX

    def _record(self, environment: str) -> str:
        """Return the key of an environment's record: in the directory that is named after it."""
        return self._directory(environment) + RECORD

    def _directory(self, environment: str) -> str:
        head, _, tail = self._key.partition(ENVIRONMENT)
        return f"{head}{environment}{tail.partition('/')[0]}/"

    def _directories(self, prefix: str) -> Iterator[str]:
        with translated(f"s3://{self._bucket}/{prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
            yield from (str(row["Prefix"]) for page in pages for row in page.get("CommonPrefixes", ()))

    def _keys(self, prefix: str) -> Iterator[str]:
        with translated(f"s3://{self._bucket}/{prefix}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                yield from (str(row["Key"]) for row in page.get("Contents", ()))

    def _text(self, key: str) -> str:
        with translated(f"s3://{self._bucket}/{key}"):
            return str(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode(errors="replace"))

    def _delete(self, key: str) -> None:
        with translated(f"s3://{self._bucket}/{key}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)


def _may_be(name: str, *, generated: bool) -> bool:
    """Return whether a directory in a bucket may be an environment's."""
    return bool(GENERATED.fullmatch(name)) if generated else bool(name) and not name.startswith(".") and "/" not in name


def _age_s(answer: Mapping[str, Any]) -> float:
    """Return how old an object was when S3 was asked for it; one that doesn't tell is new: nobody is taken for dead."""
    asked, written = answer["ResponseMetadata"]["HTTPHeaders"].get("date"), answer.get("LastModified")
    return parsedate_to_datetime(asked).timestamp() - float(written.timestamp()) if asked and written else 0.0
