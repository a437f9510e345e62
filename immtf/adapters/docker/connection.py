"""The way to the engine: DOCKER_HOST, else the context that `docker` itself uses; and its errors in words.

Nothing of the SDK's own errors leaves this package: each becomes a `ContainerFailed` that says what was tried and what to do.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.errors import ContainerFailed, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CALL_LIMIT_S = 60
USUAL = "/var/run/docker.sock"
ELSEWHERE = "or take the previous version from --from DIR or --from git:REF, which need no engine"
START = f"start the engine (`docker info` must answer) or name it by DOCKER_HOST, {ELSEWHERE}"


def connect(environment: Mapping[str, str]) -> Any:
    """Return a client of the engine that `environment` leads to; close it. None that answers: `ContainerFailed`."""
    if find_spec("docker") is None:
        raise ToolMissing("Docker's SDK for Python is not installed", next=f"pip install 'immtf[docker]', {ELSEWHERE}")
    import docker

    settings = docker.utils.kwargs_from_env(environment=dict(environment))
    if "base_url" not in settings and (found := _context_host(environment)):
        settings["base_url"] = found
    where = str(settings.get("base_url") or f"unix://{USUAL}")
    if where.startswith("unix://") and not Path(where.removeprefix("unix://")).exists():  # the SDK would leave its socket open
        raise ContainerFailed("no container engine answers: there is no such socket", where=where, next=START)
    with told("no container engine answers", where=where):
        return docker.APIClient(version="auto", timeout=CALL_LIMIT_S, **settings)


def _context_host(environment: Mapping[str, str]) -> str:
    """Return the address of the context that is chosen, as the `docker` program would; "" for the default one."""
    from docker.context import ContextAPI
    from docker.errors import DockerException

    with suppress(DockerException, OSError, ValueError):
        context = ContextAPI.get_context(environment.get("DOCKER_CONTEXT") or None)
        if context is not None and context.Name != "default":
            return str(context.Host or "")
    return ""


@contextmanager
def told(what: str, *, where: str = "", next: str = "") -> Iterator[None]:  # noqa: A002 - as in every error
    """Turn what the SDK raises in the body into a `ContainerFailed` that begins with `what`."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError  # what a stream of the SDK raises as it is

    try:
        yield
    except APIError as error:
        raise ContainerFailed(f"{what}: {error.explanation or error}", where=where, next=next) from error
    except (DockerException, RequestException, HTTPError, OSError) as error:
        raise ContainerFailed(f"{what}: {error}", where=where, next=next or START) from error
