"""One object in S3, read whole and written only on a condition. The lease knows nothing else of S3.

A write on a condition has three ends: it was written, the object is not as it was thought to be (412, and 409, which two writes at
once may be answered), or it is not known whether it was written (an error). S3 knows no other way to make one of many the winner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config

from immtf.adapters.aws import translated
from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.aws import Aws
    from immtf.adapters.lease.backend import S3Place

ATTEMPTS = 2  # of one call: a renewal that fails is made again by the lease itself, in its own time
NO_CONDITIONS = frozenset({"NotImplemented", "NoConditionalWrites"})
_OTHERWISE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "409", "412"})
_GONE = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was read."""

    body: str
    etag: str


class Store(Protocol):
    """One object. Raises `CloudFailed` where it is not known what became of a call."""

    def read(self) -> Seen | None:
        """Return the object; None where there is none."""

    def create(self, body: str) -> str | None:
        """Write it where there is none; return its etag, or None where there is one, or another was quicker."""

    def replace(self, body: str, etag: str) -> str | None:
        """Write it where it has this etag; return the new one, or None where it hasn't, or isn't there any more."""


class S3Store:
    """An object in S3."""

    def __init__(self, client: Any, place: S3Place, key: str) -> None:
        """Keep the client; no call is made yet."""
        self._client = client
        self._object = {"Bucket": place.bucket, "Key": key}
        self._arguments = dict(place.arguments)
        self._where = f"s3://{place.bucket}/{key}"

    def __str__(self) -> str:
        """Tell the object's address."""
        return self._where

    def read(self) -> Seen | None:
        try:
            with translated(self._where):
                answer = self._client.get_object(**self._object)
                return Seen(answer["Body"].read().decode(errors="replace"), answer["ETag"])
        except CloudFailed as error:
            if error.code in _GONE:
                return None
            raise

    def create(self, body: str) -> str | None:
        return self._put(body, {"IfNoneMatch": "*"}, _OTHERWISE)

    def replace(self, body: str, etag: str) -> str | None:
        return self._put(body, {"IfMatch": etag}, _OTHERWISE | _GONE)

    def _put(self, body: str, condition: Mapping[str, str], lost: frozenset[str]) -> str | None:
        try:
            with translated(self._where):
                settings = {"ContentType": "application/json", **self._arguments, **condition}
                answer = self._client.put_object(**self._object, Body=body.encode(), **settings)
        except CloudFailed as error:
            if error.code in lost:
                return None
            raise
        return str(answer["ETag"])


def s3_store(place: S3Place, key: str, aws: Aws, environment: Mapping[str, str], *, timeout_s: float) -> S3Store:
    """Return the store of an object in the bucket of a state, spoken to as Terraform's backend does; a call's two waits end so soon."""
    return S3Store(s3_client(place, aws, environment, timeout_s=timeout_s), place, key)


def s3_client(place: S3Place, aws: Aws, environment: Mapping[str, str], *, timeout_s: float) -> Any:
    """Return boto3's client for the bucket of a state, which speaks to it as Terraform's backend does."""
    named = not (place.profile or place.access_key)  # the environment's keys hold where the configuration names nothing
    own = replace(
        aws,
        region=place.region or aws.region,
        endpoint=place.endpoint or aws.endpoint,
        profile=place.profile or None,
        access_key=place.access_key or (environment.get("AWS_ACCESS_KEY_ID") if named else None),
        secret_key=place.secret_key or (environment.get("AWS_SECRET_ACCESS_KEY") if named else None),
        session_token=place.token or (environment.get("AWS_SESSION_TOKEN") if named else None),
        attempts=ATTEMPTS,
        role=place.role,
        sts_endpoint=place.sts_endpoint or aws.endpoint,
    )
    style: Any = {"addressing_style": "path"} if place.path_style else {}
    return own.client("s3", Config(connect_timeout=timeout_s, read_timeout=timeout_s, s3=style))
