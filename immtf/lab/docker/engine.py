"""The Docker engine: how it is reached, and how what it refuses is told.

Every call has a time limit. Whatever the SDK raises becomes `RuntimeFailed` with Docker's own words; where there is no engine at all, a
person is told what to do.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests

from immtf.errors import LabFailed
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CALL_LIMIT_S = 300.0
GREETING_LIMIT_S = 20.0
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
UNIX = "unix://"
SOCKET = f"{UNIX}/var/run/docker.sock"
FAILURES = (docker.errors.DockerException, requests.RequestException, OSError)


def reach(environment: Mapping[str, str], *, limit_s: float = CALL_LIMIT_S) -> Any:
    """Give a client of the engine that the environment names; each of its calls has `limit_s` seconds. None that answers: `LabFailed`."""
    try:
        _knock(environment.get("DOCKER_HOST") or SOCKET)
        client = docker.DockerClient.from_env(environment=dict(environment), timeout=GREETING_LIMIT_S)
    except FAILURES as error:
        raise no_engine(environment, error) from None
    client.api.timeout = limit_s
    return client


def _knock(host: str) -> None:
    """See that somebody listens on a socket of this machine: the SDK leaves its own end open where nobody does, and asks for long."""
    if host.startswith(UNIX):
        with socket.socket(socket.AF_UNIX) as tried:
            tried.settimeout(GREETING_LIMIT_S)
            tried.connect(host.removeprefix(UNIX))


def no_engine(environment: Mapping[str, str], error: Exception) -> LabFailed:
    """Say that no engine answers, and what to do about it."""
    host = environment.get("DOCKER_HOST") or SOCKET
    text = str(error)
    if "ermission denied" in text:
        return LabFailed(
            "this user may not speak with the Docker engine",
            where=host,
            next="let a person who may run: usermod -aG docker USER, then log in again; or go on with --lab-runtime process",
        )
    return LabFailed(
        f"no Docker engine answers: {text}",
        where=host,
        next="start one (systemctl start docker), or name it with DOCKER_HOST; `docker info` shows whether it answers."
        " Without Docker: --lab-runtime process",
    )


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Tell whatever Docker refuses inside as `RuntimeFailed`, with what was being done."""
    try:
        yield
    except docker.errors.APIError as error:
        raise RuntimeFailed(f"{what}: {error.explanation or error}") from error
    except FAILURES as error:
        raise RuntimeFailed(f"{what}: {error}") from error


@contextmanager
def gone_is_good() -> Iterator[None]:
    """Take what isn't there any more, or is being removed by somebody else at this moment, for removed."""
    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise
