"""The records of test environments: written beside the states before the first resource is made, and found again by `reap`.

Three places: `<home>/environments/NAME/` for an environment that immtf keeps, the directory of a lab, and for a definition the directory of
its states in S3. In each the record goes last: as long as anything of an environment is left, it is found again.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from immtf.adapters import tether
from immtf.adapters.aws import translated
from immtf.adapters.files import replace_file
from immtf.adapters.lease import holder_of
from immtf.adapters.lease.backend import LOCK_SUFFIX, SUFFIX, s3_place
from immtf.adapters.lease.store import s3_client
from immtf.adapters.states import is_bare
from immtf.adapters.terraform import live_children
from immtf.adapters.terraform.localstate import copy_of
from immtf.adapters.terraform.unsaved import FILE as UNSAVED
from immtf.errors import ImmtfError
from immtf.model.environment import Backend
from immtf.model.reaping import Left, Record, StoredState
from immtf.plan.environments import BLOCK, ENVIRONMENT, FILE
from immtf.plan.lease import parse_lease
from immtf.plan.reaping import is_renewed, read_record, record_text
from immtf.plan.sweep import GENERATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from immtf.adapters.aws import Aws

RECORD = "environment.json"
LOCK = "test.lock"
LEASE = "lease"
TIMEOUT_S = 20.0
LOCK_S = 600.0  # longer than a Terraform takes that nobody waits for any more


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


def kept_environments(home: Path) -> tuple[Left, ...]:
    """Return the environments that immtf keeps in a home and that have a record; not those by a definition, whose states are elsewhere."""
    return _by_no_definition(_in(path.parent) for path in _kept(home))


def lab_environment(lab: Path, states: Path) -> tuple[Left, ...]:
    """Return the same of a lab that is up, by the record in the lab's directory; `states` is where its states are."""
    return _by_no_definition([_in(lab, states)] if (lab / RECORD).exists() else [])


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


def _in(directory: Path, states: Path | None = None) -> Left:
    """Return the environment whose record is in a directory; its states are there too, or in `states`."""
    name, where = directory.name, str(directory / RECORD)
    beside = states or directory
    ways = (partial(_states_in, beside), partial(_running_in, directory, beside), partial(_forget, directory, beside))
    try:
        return Left(name, where, read(directory / RECORD), *ways)
    except ImmtfError as error:
        return Left(name, where, None, *ways, problem=error.what)


def _refuse_unsaved(directory: Path) -> None:
    """Refuse to go by states of which a later one could not be saved: what only that one knows of would be left, and forgotten."""
    for path in directory.rglob(UNSAVED):
        act = "save it by any command on its block there, such as `immtf destroy DIR --environment NAME`"
        raise ImmtfError("a later state could not be saved and is still here", where=str(path), next=act)


def _states_in(directory: Path) -> tuple[StoredState, ...]:
    _refuse_unsaved(directory)
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


def _running_in(directory: Path, states: Path) -> bool:
    """Return whether a test holds its lock, or any run the lease of one of the blocks, or a Terraform that outlived its run is at work."""
    leases = [states / LEASE, *states.glob(f"*/{LEASE}")]
    if tether.is_held(directory / LOCK) or any(holder_of(path) is not None for path in leases):
        return True
    return any(live_children(path.parent) for path in states.rglob(".terraform"))


def _forget(directory: Path, states: Path) -> None:
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


class Bucket:
    """The environments of a definition whose states are in S3: `<prefix>/<environment>/environment.json` beside `…/<block>/…`."""

    def __init__(self, template: Backend, aws: Aws, process: Mapping[str, str]) -> None:
        """Make the client; no call is made yet. `template` is the definition's backend, with its placeholders."""
        self._template = template
        place = s3_place(template.config, process)
        self._bucket, self._key, self._arguments = place.bucket, place.key, dict(place.arguments)
        self._client: Any = s3_client(place, aws, process, timeout_s=TIMEOUT_S)

    @staticmethod
    def serves(template: Backend) -> bool:
        """Return whether records can be kept beside the states of a template: in S3, in a directory for each environment."""
        key = str(template.config.get("key") or "")
        return template.kind == "s3" and f"{ENVIRONMENT}/" in key and key.index(ENVIRONMENT) < (key.find(BLOCK) % (len(key) + 1))

    def write(self, record: Record) -> None:
        """Write a record."""
        key = self._record(record.environment)
        with translated(f"s3://{self._bucket}/{key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=record_text(record).encode(), **self._arguments)

    def remove(self, environment: str) -> None:
        """Remove a record; one that is gone is no error."""
        self._delete(self._record(environment))

    def environments(self, local: Callable[[str], tuple[Path, Path]], *, generated: bool = False) -> tuple[Left, ...]:
        """Return the environments that have a record here; those only whose names immtf made up, where they are all `generated`.

        Whoever may write to the bucket could put a record beside any environment's states, and name any directory of this machine.
        `local` gives, by an environment's name, where this machine has its lock and record, and where its blocks' work trees are.
        """
        head = self._key.partition(ENVIRONMENT)[0]
        tail = self._record("").removeprefix(head)
        names = [key.removeprefix(head).removesuffix(tail) for key in self._keys(head) if key.endswith(tail)]
        return tuple(self._left(name, local(name)) for name in sorted(names) if _may_be(name, generated=generated))

    def _left(self, name: str, local: tuple[Path, Path]) -> Left:
        key, record, problem = self._record(name), None, ""
        try:
            record = read_record(self._text(key))
        except ValueError as error:
            problem = f"the environment's record can't be read: {error}"
        ways = (partial(self._states, name, local), partial(self._running, name, local), partial(self._forget, name, local))
        return Left(name, f"s3://{self._bucket}/{key}", record, *ways, free=partial(self._free, name, local), problem=problem)

    def _states(self, name: str, local: tuple[Path, Path]) -> tuple[StoredState, ...]:
        _refuse_unsaved(local[1])
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

    def _running(self, name: str, local: tuple[Path, Path]) -> bool:
        """Return whether a test may be at work: one of this machine by its locks, one elsewhere by a lease that was renewed of late."""
        if (local[0] / RECORD).exists():
            return _running_in(*local)
        leases = [key for key in self._keys(self._record(name).removesuffix(RECORD)) if key.endswith(SUFFIX)]
        return any(self._is_renewed(key) for key in leases)

    def _is_renewed(self, key: str) -> bool:
        """Judge a lease by S3's own clock: when it was written last, and when that was asked."""
        with translated(f"s3://{self._bucket}/{key}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
        return is_renewed(parse_lease(answer["Body"].read().decode(errors="replace")), _age_s(answer))

    def _free(self, name: str, local: tuple[Path, Path]) -> tuple[str, ...]:
        """Remove Terraform's locks beside the states: a dead test's of this machine, else those too old for one that still works."""
        limit_s = 0.0 if (local[0] / RECORD).exists() else LOCK_S
        removed = []
        for key in [key for key in self._keys(self._record(name).removesuffix(RECORD)) if key.endswith(LOCK_SUFFIX)]:
            with translated(f"s3://{self._bucket}/{key}"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
            if not limit_s or _age_s(answer) > limit_s:
                self._delete(key)
                removed.append(f"the lock s3://{self._bucket}/{key}, which a killed Terraform left")
        return tuple(removed)

    def _forget(self, name: str, local: tuple[Path, Path]) -> None:
        _forget(*local)
        record = self._record(name)
        for key in [key for key in self._keys(record.removesuffix(RECORD)) if key != record]:
            self._delete(key)
        self._delete(record)

    def _record(self, environment: str) -> str:
        """Return the key of an environment's record: in the directory that is named after it."""
        head, _, tail = self._key.partition(ENVIRONMENT)
        return f"{head}{environment}{tail.partition('/')[0]}/{RECORD}"

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
    """Return how old an object was when S3 was asked for it."""
    asked = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    return asked - float(answer["LastModified"].timestamp())


def document_of(text: str) -> Mapping[str, Any]:
    """Return a state as a document. Raises `ImmtfError` for one that can't be read: what it has is not known."""
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise ImmtfError(f"the state can't be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("resources"), list):
        raise ImmtfError("the state can't be read: it has no list of resources")
    return document
