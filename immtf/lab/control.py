"""What the lab answers about itself, below `/_lab/`: status, calls, images, orders, down. JSON in and out.

Every request carries the lab's token, which stands in its record: so nobody else's program (nor a web page) gives the lab orders, and a
client knows that it speaks with the lab it means.
"""

from __future__ import annotations

import hmac
import json
import logging
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from immtf.errors import LabFailed
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from immtf.lab.runtime import InstanceStatus

LOG = logging.getLogger(__name__)
PREFIX = "/_lab/"
TOKEN_HEADER = "X-Immtf-Lab"  # noqa: S105 - a header's name


class Controlled(Protocol):
    """What is behind the answers."""

    def instances(self) -> Iterable[InstanceStatus]:
        """List what really runs."""

    def calls(self) -> dict[str, int]:
        """Count how often each action was called."""

    def register_image(self, family: str, version: str, tree: Path) -> str:
        """Make a tree an image; its id."""

    def images(self) -> list[dict[str, str]]:
        """List all images that were registered here."""

    def order(self, rule: dict[str, Any]) -> None:
        """Script an answer of the cloud; not understood: `LabFailed`."""

    def orders(self) -> list[dict[str, Any]]:
        """List what is scripted and still to come."""

    def clear_orders(self) -> None:
        """Forget what was scripted."""

    def down(self) -> None:
        """Begin to end."""


class Control:
    """A WSGI application: what is below `/_lab/` is answered here, all else by `otherwise`."""

    def __init__(self, lab: Controlled, token: str, record: dict[str, Any], otherwise: WSGIApplication) -> None:
        """Answer for `lab` to whoever has `token`; `record` is what everyone with it may know."""
        self._lab = lab
        self._token = token
        self._otherwise = otherwise
        self._record = record
        self._acts: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "status"): self._status,
            ("GET", "calls"): lambda _: lab.calls(),
            ("POST", "images"): self._register,
            ("GET", "orders"): lambda _: {"orders": lab.orders()},
            ("POST", "orders"): self._order,
            ("DELETE", "orders"): self._clear_orders,
            ("POST", "down"): self._down,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._otherwise(environ, start_response)
        status, answer = self._answer(environ, path.removeprefix(PREFIX))
        data = json.dumps(answer).encode()
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, environ: WSGIEnvironment, name: str) -> tuple[HTTPStatus, Any]:
        given = environ.get("HTTP_" + TOKEN_HEADER.upper().replace("-", "_"), "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return HTTPStatus.FORBIDDEN, {"error": "not this lab's token"}
        act = self._acts.get((environ["REQUEST_METHOD"], name))
        if act is None:
            return HTTPStatus.NOT_FOUND, {"error": f"the lab has no {name}"}
        try:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return HTTPStatus.OK, act(json.loads(body or b"{}"))
        except (LabFailed, RuntimeFailed, ValueError, KeyError) as error:
            LOG.warning("/_lab/%s: %s", name, error)
            return HTTPStatus.BAD_REQUEST, {"error": getattr(error, "what", str(error)), "where": getattr(error, "where", "")}

    def _status(self, _: dict[str, Any]) -> Any:
        return {**self._record, "instances": [asdict(row) for row in self._lab.instances()], "images": self._lab.images()}

    def _register(self, body: dict[str, Any]) -> Any:
        return {"image_id": self._lab.register_image(body["family"], body["version"], Path(body["tree"]))}

    def _order(self, body: dict[str, Any]) -> Any:
        self._lab.order(body)
        return {}

    def _clear_orders(self, _: dict[str, Any]) -> Any:
        self._lab.clear_orders()
        return {}

    def _down(self, _: dict[str, Any]) -> Any:
        self._lab.down()
        return {}
