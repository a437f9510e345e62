"""boto3, set up in one place: sessions, retries, time limits, a count of calls, and AWS's errors as ours.

Throttling is retried by botocore (standard mode: exponential back-off with jitter) and, when that is used up, is an error like
any other: it is never read as "not found".
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
from botocore.config import Config

from immtf.errors import CloudFailed

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
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "AuthFailure", "UnrecognizedClientException"})


@dataclass
class Aws:
    """A session with one account and region; endpoint and keys where it is the lab's, which no proxy stands in front of.

    `attempts` is how often a call is made before throttling or a broken connection is an error.
    """

    region: str | None = None
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    attempts: int = ATTEMPTS
    calls: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Aws:
        """Return a session as the environment says; what it leaves open is found by boto3's usual chain."""
        lab = bool(environment.get("AWS_ENDPOINT_URL"))
        return cls(
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            endpoint=environment.get("AWS_ENDPOINT_URL"),
            access_key=environment.get("AWS_ACCESS_KEY_ID") if lab else None,
            secret_key=environment.get("AWS_SECRET_ACCESS_KEY") if lab else None,
        )

    def client(self, service: str) -> Any:
        """Return a client of a service; every call it makes is counted by `service:Action`."""
        config = Config(
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            proxies={} if self.endpoint else None,
        )
        with translated(f"aws {service}"):
            session: Any = boto3.Session(self.access_key, self.secret_key, region_name=self.region)
            client = session.client(service, endpoint_url=self.endpoint, config=config)
        client.meta.events.register("before-send", self._count)
        return client

    def _count(self, event_name: str, **_arguments: Any) -> None:
        """Count one request on its way; `event_name` is `before-send.<service>.<operation>`."""
        self.calls[event_name.removeprefix("before-send.").replace(".", ":", 1)] += 1


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
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        next_act = "renew the credentials, then run the same command again: it goes on from what it finds" if code in _EXPIRED else ""
        raise CloudFailed(f"{error.operation_name}: {code}: {message}", code=code, where=where, next=next_act) from error
    except botocore.exceptions.BotoCoreError as error:
        raise CloudFailed(f"the API could not be reached: {error}", where=where, next="look at the network, then run it again") from error
