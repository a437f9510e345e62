"""Systems Manager as far as commands go: `AWS-RunShellScript` is carried out for real in the lab's guests.

A WSGI application for SSM's JSON 1.1 protocol. Every command runs in a thread of its own and its state can be asked for meanwhile, as
on AWS; output is cut where AWS cuts it. An instance that isn't running is refused. Whatever else SSM offers is handed on.
"""

from __future__ import annotations

import io
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from immtf.lab.commands import Commands, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from immtf.lab.runtime import Runtime

LOG = logging.getLogger(__name__)
_CONTENT_TYPE = "application/x-amz-json-1.1"


class Ssm:
    """The application."""

    def __init__(self, runtime: Runtime, *, clock: Callable[[], float], otherwise: WSGIApplication | None = None) -> None:
        """Carry commands out in `runtime`; `clock` gives seconds since the epoch; `otherwise` answers what isn't about commands."""
        commands = Commands(runtime, clock)
        self._otherwise = otherwise
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "SendCommand": commands.send,
            "GetCommandInvocation": commands.get,
            "ListCommandInvocations": commands.list_invocations,
            "DescribeInstanceInformation": commands.describe_instances,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        name = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        operation = self._operations.get(name)
        if operation is None and self._otherwise is not None:
            return self._otherwise({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
        status, answer = self._answer(name, operation, body)
        data = json.dumps(answer).encode()
        start_response(f"{status.value} {status.phrase}", [("Content-Type", _CONTENT_TYPE), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(
        self, name: str, operation: Callable[[dict[str, Any]], dict[str, Any]] | None, body: bytes
    ) -> tuple[HTTPStatus, dict[str, Any]]:
        if operation is None:
            return HTTPStatus.BAD_REQUEST, {"__type": "UnknownOperationException", "message": f"the lab's SSM has no {name}"}
        try:
            return HTTPStatus.OK, operation(json.loads(body or b"{}"))
        except Refused as refused:
            return HTTPStatus.BAD_REQUEST, {"__type": refused.code, "message": str(refused)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            LOG.exception("ssm.%s", name)
            return HTTPStatus.BAD_REQUEST, {"__type": "ValidationException", "message": f"{type(error).__name__}: {error}"}
