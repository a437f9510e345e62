"""The states of an environment: where that of each block is, and which blocks have one.

A destroyed block leaves a state that holds nothing; such a one is not there. One that can't be read is: it may hold anything.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import translated
from immtf.adapters.lease.backend import s3_place
from immtf.adapters.lease.store import s3_client
from immtf.errors import CloudFailed, ImmtfError
from immtf.model.environment import Backend, States
from immtf.plan.environments import BLOCK, FILE, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.adapters.aws import Aws

TIMEOUT_S = 20.0
MAX_PAGES = 100  # of a thousand objects each: more than that isn't an environment's prefix
SMALL = 4096  # bytes; a state that holds nothing is smaller
_SAMPLE = "block"


def states_of(template: Backend, environment: str, aws: Aws, process: Mapping[str, str]) -> States:
    """Return the states of an environment whose backend is this template; those in other places than files and S3 can't be listed."""
    there: Callable[[], tuple[str, ...] | None]
    match template.kind:
        case "local":
            there = partial(_in_files, str(filled(template, environment, BLOCK).config["path"]))
        case "s3":
            there = partial(_in_s3, filled(template, environment, BLOCK), aws, process)
        case _:
            there = _unknown
    return States(partial(filled, template, environment), there, template)


def local_states(directory: Path, environment: str) -> States:
    """Return the states that immtf keeps in a directory of its own, in a directory for each block."""
    path = str(directory / BLOCK / FILE)
    there = partial(_in_files, path)
    return States(lambda block: filled(Backend("local", {"path": path}), environment, block), there)


def make_bucket(backend: Backend, aws: Aws, process: Mapping[str, str]) -> None:
    """Make the bucket of a backend in S3 where it isn't there yet. For a lab: a real one is a person's to make."""
    place = s3_place(backend.config, process)
    client = s3_client(place, aws, process, timeout_s=TIMEOUT_S)
    home = {} if place.region in {"", "us-east-1"} else {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    try:
        with translated(f"s3://{place.bucket}"):
            client.create_bucket(Bucket=place.bucket, **home)
    except CloudFailed as error:
        if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def _unknown() -> None:
    return None


def _in_files(template: str) -> tuple[str, ...]:
    """Return the blocks that have a state in files; `template` is a path with the placeholder of the block."""
    head, _, tail = template.partition(BLOCK)
    base = Path(head if head.endswith("/") else head.rpartition("/")[0] or ".")
    pattern = _pattern(head.rpartition("/")[2] + BLOCK + tail.partition("/")[0])
    try:
        names = sorted(entry.name for entry in base.iterdir())
        found = [match["block"] for name in names if (match := pattern.fullmatch(name))]
        return tuple(block for block in found if _holds(Path(template.replace(BLOCK, block))))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ImmtfError(f"the states can't be listed: {error.strerror}", where=str(base), next="let this user read there") from error


def _holds(path: Path) -> bool:
    try:
        return path.is_file() and not is_bare(path.read_bytes())
    except FileNotFoundError:
        return False


def is_bare(content: bytes) -> bool:
    """Return whether a state surely holds nothing: neither resources nor outputs."""
    try:
        document: Any = json.loads(content)
        return not document["resources"] and not document["outputs"]
    except (ValueError, KeyError, TypeError):
        return False


def _in_s3(backend: Backend, aws: Aws, process: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the blocks that have a state in S3; None where a bucket is a block's own."""
    place = s3_place(backend.config, process)
    if BLOCK in place.bucket or BLOCK not in place.key:
        return None
    client, pattern = s3_client(place, aws, process, timeout_s=TIMEOUT_S), _pattern(place.key)
    where = f"s3://{place.bucket}/{place.key.partition(BLOCK)[0]}"
    found: dict[str, bool] = {}
    try:
        with translated(where):
            for row in _objects(client, place.bucket, place.key.partition(BLOCK)[0], where):
                match = pattern.fullmatch(str(row["Key"]))
                if match:
                    found[match["block"]] = int(row["Size"]) > SMALL or not is_bare(_content(client, place.bucket, str(row["Key"])))
    except CloudFailed as error:
        raise _explained(error, place.bucket) from error
    return tuple(sorted(block for block, holds in found.items() if holds))


def _objects(client: Any, bucket: str, prefix: str, where: str) -> Iterator[Mapping[str, Any]]:
    for number, page in enumerate(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)):
        if number >= MAX_PAGES:
            raise ImmtfError(
                f"there are over {MAX_PAGES * 1000} objects where an environment's states should be",
                where=where,
                next="give the states a prefix of their own",
            )
        yield from page.get("Contents", ())


def _content(client: Any, bucket: str, key: str) -> bytes:
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def _pattern(template: str) -> re.Pattern[str]:
    """Return what finds the block in a filled text: the first placeholder is any name, the others the same one."""
    first, *rest = re.escape(template).split(re.escape(BLOCK))
    return re.compile(first + "(?P<block>[a-z0-9_-]+)" + "(?P=block)".join(rest))


def _explained(error: CloudFailed, bucket: str) -> ImmtfError:
    match error.code:
        case "AccessDenied" | "403":
            what, act = "the states may not be listed", "allow s3:ListBucket on the bucket and s3:GetObject on its states"
        case "NoSuchBucket" | "404":
            what, act = "there is no such bucket", f"name the right one in the environment's definition, or make {bucket}"
        case _:
            return error
    return CloudFailed(f"{what}: {error.what}", code=error.code, where=error.where, next=act)
