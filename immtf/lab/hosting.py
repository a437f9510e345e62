"""What the controller hosts: the runtime, the gateway in front of it with the lab's own SSM, and the server they answer on."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server as make_werkzeug_server
from werkzeug.test import Client

from immtf.errors import LabFailed
from immtf.lab.catalogue import Catalogue, encoded
from immtf.lab.gateway import AT_ONCE, AWS_LIKE, Gateway
from immtf.lab.gateway.app import moto_app
from immtf.lab.gateway.wording import read_order, write_order
from immtf.lab.process import ProcessRuntime
from immtf.lab.runtime import RuntimeFailed
from immtf.lab.ssm import Ssm

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path
    from threading import Event
    from wsgiref.types import WSGIApplication

    from werkzeug.serving import BaseWSGIServer

    from immtf.lab.runtime import InstanceStatus, Runtime

LOG = logging.getLogger(__name__)
_DELAYS = {"none": AT_ONCE, "aws": AWS_LIKE}


class Hosted:
    """The lab as its control sees it; see `immtf.lab.control.Controlled`."""

    def __init__(self, directory: Path, *, path: str, delays: str, region: str, over: Event, runtime: str = "process") -> None:
        """Build the lab in `directory`; guests have `path` as PATH; `over` is set when the lab is told to end.

        `runtime` is `process` or `docker`; `cidr` is the network that it gives its instances, "" where that is the endpoint's own.
        """
        self._over = over
        self._region = region
        self._runtime, self.cidr, source = _make_runtime(runtime, directory, path)
        moto = moto_app()
        services = {"ssm": Ssm(self._runtime, clock=time.time, otherwise=moto)}
        self.gateway = Gateway(self._runtime, delays=_DELAYS[delays], own_services=services, backend=moto)
        self._catalogue = Catalogue(self._ec2)
        if source:
            self._catalogue.register_source(source)

    def instances(self) -> Sequence[InstanceStatus]:
        """List what really runs."""
        return self._runtime.instances()

    def calls(self) -> dict[str, int]:
        """Count how often each action was called."""
        return self.gateway.calls()

    def register_image(self, family: str, version: str, tree: Path) -> str:
        """Make a tree an image."""
        return self._catalogue.register(family, version, tree)

    def images(self) -> list[dict[str, str]]:
        """List all images that were registered here."""
        return self._catalogue.rows()

    def order(self, rule: dict[str, Any]) -> None:
        """Script an answer of the cloud."""
        self.gateway.order(read_order(rule))

    def orders(self) -> list[dict[str, Any]]:
        """List what is scripted and still to come."""
        return [write_order(order) for order in self.gateway.orders()]

    def clear_orders(self) -> None:
        """Forget what was scripted."""
        self.gateway.clear_orders()

    def down(self) -> None:
        """Begin to end."""
        self._over.set()

    def close(self) -> None:
        """End every guest, then what speaks for them."""
        self._runtime.close()
        self.gateway.close()

    def _ec2(self, form: dict[str, str]) -> str:
        scope = f"lab/20000101/{self._region}/ec2/aws4_request"
        answer = Client(self.gateway).post(
            "/",
            data=encoded(form),
            content_type="application/x-www-form-urlencoded; charset=utf-8",
            headers={
                "Host": f"ec2.{self._region}.amazonaws.com",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            },
        )
        return answer.get_data(as_text=True)


def _make_runtime(name: str, directory: Path, path: str) -> tuple[Runtime, str, str]:
    """Make a runtime by its name, and tell the network that it has of its own and where Packer's source image is. Can't be: `LabFailed`."""
    if name == "process":
        return ProcessRuntime(directory, path=path), "", ""
    from immtf.lab.docker.runtime import DockerRuntime

    try:
        made = DockerRuntime(directory, environment={**os.environ, "PATH": path})
    except RuntimeFailed as failed:
        raise LabFailed(str(failed), where="runtime docker", next="docker info; or go on with --lab-runtime process") from failed
    return made, made.cidr, made.source


class _QuietHandler(WSGIRequestHandler):
    """Requests are counted by the gateway; a line for each would bury what matters."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def make_server(listener: socket.socket, app: WSGIApplication) -> BaseWSGIServer:
    """Make a threaded server on a socket that listens already."""
    host, port = listener.getsockname()
    return make_werkzeug_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno())
