"""boto3, set up in one place: sessions, retries, time limits, a count of calls, and AWS's errors as ours.

Throttling, the API's own faults and lost connections are retried by botocore (standard mode: exponential back-off with jitter, ten
attempts, about a minute). When that is used up they are an error that says so: it is never read as "not found". Credentials that are
refused are an error of their own, which nobody waits on.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from immtf.errors import CloudFailed, CredentialsRefused
from immtf.plan.faults import LATER, RENEW, UNREACHABLE, Fault, fault_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
ATTEMPTS = 10
_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.CredentialRetrievalError,
    botocore.exceptions.TokenRetrievalError,
    botocore.exceptions.ProfileNotFound,
    botocore.exceptions.SSOError,
)
_LOST = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)


@dataclass
class Aws:
    """A session with one account and region; endpoint and keys where it is the lab's, which no proxy stands in front of.

    `attempts` is how often a call is made before throttling or a broken connection is an error. `role` are AssumeRole's arguments
    where a role is assumed first, from STS at `sts_endpoint`.
    """

    region: str | None = None
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    attempts: int = ATTEMPTS
    calls: Counter[str] = field(default_factory=Counter)
    session_token: str | None = None
    profile: str | None = None
    role: Mapping[str, str] = field(default_factory=dict)
    sts_endpoint: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Aws:
        """Return a session as the environment says; what it leaves open is found by boto3's usual chain."""
        lab = bool(environment.get("AWS_ENDPOINT_URL"))
        return cls(
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            endpoint=environment.get("AWS_ENDPOINT_URL"),
            access_key=environment.get("AWS_ACCESS_KEY_ID") if lab else None,
            secret_key=environment.get("AWS_SECRET_ACCESS_KEY") if lab else None,
            session_token=environment.get("AWS_SESSION_TOKEN") if lab else None,
        )

    def client(self, service: str, settings: Config | None = None) -> Any:
        """Return a client of a service, with `settings` over the usual ones; every call it makes is counted by `service:Action`."""
        config = Config(
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            proxies={} if self.endpoint else None,
        )
        with translated(f"aws {service}"):
            client = self._session().client(service, endpoint_url=self.endpoint, config=config.merge(settings) if settings else config)
        client.meta.events.register("before-send", self._count)
        return client

    def _session(self) -> Any:
        keys = (self.access_key, self.secret_key, self.session_token)
        session: Any = boto3.Session(*keys, region_name=self.region, profile_name=self.profile)
        return self._assumed(session) if self.role else session

    def _assumed(self, session: Any) -> Any:
        """Return a session in the role, whose credentials are fetched when they are needed and again before they expire."""
        arguments, own = dict(self.role), session.get_credentials()
        if own is None:
            raise botocore.exceptions.NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=partial(session._session.create_client, endpoint_url=self.sts_endpoint),  # noqa: SLF001 - boto3 offers no other way
            source_credentials=own,
            role_arn=arguments.pop("RoleArn"),
            extra_args=arguments,
        )
        inner: Any = botocore.session.get_session()
        inner._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001 - as above
        return boto3.Session(botocore_session=inner, region_name=self.region)

    def _count(self, event_name: str, **_arguments: Any) -> None:
        """Count one request on its way; `event_name` is `before-send.<service>.<operation>`."""
        self.calls[event_name.removeprefix("before-send.").replace(".", ":", 1)] += 1


def tag_filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return EC2's filters for what has all these tags. Without any, everything would be found: that is a `ValueError`."""
    if not tags:
        raise ValueError("without tags everything there is would be found")
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())]


def tags_in(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags in a row of an EC2 answer."""
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Give the rows under `key` of every page of an EC2 answer."""
    with translated("ec2"):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page[key]


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what boto3 raises as `CloudFailed`, with AWS's own code and, for credentials, what to do."""
    try:
        yield
    except _CREDENTIALS as error:
        next_act = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --lab"
        raise CloudFailed(f"no usable AWS credentials: {error}", code="NoCredentials", where=where, next=next_act) from error
    except botocore.exceptions.NoRegionError as error:
        raise CloudFailed("no AWS region is set", code="NoRegion", where=where, next="set AWS_REGION, or use --lab") from error
    except botocore.exceptions.ClientError as error:
        raise _refused(error, where) from error
    except _LOST as error:
        next_act = f"look at the network; {LATER}"
        raise CloudFailed(f"the API could not be reached: {error}", code=UNREACHABLE, where=where, next=next_act) from error
    except botocore.exceptions.BotoCoreError as error:
        raise CloudFailed(f"the API could not be reached: {error}", where=where, next="look at the network, then run it again") from error


def _refused(error: botocore.exceptions.ClientError, where: str) -> CloudFailed:
    """Return what an answer with an error means, with AWS's own code and words."""
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    tries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
    said = f"{error.operation_name}: {code}: {message}"
    match fault_of(code):
        case Fault.CREDENTIALS:
            return CredentialsRefused(f"the credentials expired or are not good: {said}", code=code, where=where, next=RENEW)
        case Fault.THROTTLED:
            return CloudFailed(f"AWS throttles this account's calls, {tries} times in a row: {said}", code=code, where=where, next=LATER)
        case Fault.BROKEN:
            return CloudFailed(f"AWS has a fault of its own, {tries} times in a row: {said}", code=code, where=where, next=LATER)
        case _:
            return CloudFailed(said, code=code, where=where)
