"""The gateway as a WSGI application: who a request is for, and who answers it.

A request is read, counted, matched with the orders, and handed on: EC2's `Describe*` and the actions that have a real
counterpart to the handlers of this package, a service that the lab serves itself to its application, everything else to moto as it
came. DryRun goes to moto too: it judges and does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import Counter
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn, assert_never

from immtf.lab.gateway.adoption import Adoption
from immtf.lab.gateway.backend import Backend
from immtf.lab.gateway.cloud import Cloud
from immtf.lab.gateway.console import ConsoleActions
from immtf.lab.gateway.delays import AT_ONCE, Delays
from immtf.lab.gateway.describe import LISTINGS, describe
from immtf.lab.gateway.images import ImageActions
from immtf.lab.gateway.instances import InstanceActions
from immtf.lab.gateway.interface_transitions import InterfaceTransitions
from immtf.lab.gateway.interfaces import InterfaceActions
from immtf.lab.gateway.memory import Memory
from immtf.lab.gateway.orders import Dropped, Fail, Late, Order, Orders, Stale, Stuck
from immtf.lab.gateway.transitions import InstanceTransitions
from immtf.lab.gateway.volume_transitions import VolumeTransitions
from immtf.lab.gateway.volumes import VolumeActions
from immtf.lab.gateway.watch import Watch
from immtf.lab.gateway.wire import Answer, Call, Refusal, read_call, refusal_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from immtf.lab.gateway.orders import Effect
    from immtf.lab.runtime import Runtime

LOG = logging.getLogger(__name__)

MAKES_INSTANCES = {"autoscaling", "cloudformation"}
MAKING_ACTIONS = {"CreateFleet", "DeleteFleets", "RequestSpotFleet", "RequestSpotInstances", "CancelSpotFleetRequests"}
READS = ("Describe", "Get", "List")
CONDITIONS = {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"}
CLOSE_S = 5.0


class Gateway:
    """The lab's control plane: moto, and over it the states, delays and refusals of AWS, and a runtime that makes them true."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        delays: Delays = AT_ONCE,
        own_services: Mapping[str, WSGIApplication] | None = None,
        backend: WSGIApplication | None = None,
        poll_s: float = 0.5,
    ) -> None:
        """Take the runtime, the delays, applications by service name, moto's application, seconds between two looks at what runs."""
        lock = threading.RLock()
        self.own_services = dict(own_services or {})
        self.app = backend if backend is not None else moto_app()
        self._orders = Orders()
        self._memory = Memory()
        self._calls: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.cloud = Cloud(Backend(self.app, lock), runtime, delays, lock)
        volumes = VolumeTransitions(self.cloud)
        interfaces = InterfaceTransitions(self.cloud)
        instances = InstanceTransitions(self.cloud, volumes, interfaces)
        self._adoption = Adoption(self.cloud, instances)
        self._handlers: dict[str, Callable[[Call], Answer]] = {
            **dict.fromkeys(LISTINGS, lambda call: describe(self.cloud, call)),
            **InstanceActions(self.cloud, instances, self._adoption).handlers(),
            **VolumeActions(self.cloud, volumes).handlers(),
            **InterfaceActions(self.cloud, interfaces).handlers(),
            **ImageActions(self.cloud).handlers(),
            **ConsoleActions(self.cloud).handlers(),
        }
        self._watch = Watch(self.cloud, instances, volumes, poll_s)
        self._watch.start()

    def calls(self) -> dict[str, int]:
        """Give how often each action was called from outside: `{"ec2.RunInstances": 3}`; the sum is all calls."""
        with self._counting:
            return dict(self._calls)

    def order(self, rule: Order) -> None:
        """Script the answer to calls to come."""
        self._orders.add(rule)

    def clear_orders(self) -> None:
        """Forget all scripted answers; what is stuck stays so until it is called again."""
        self._orders.clear()

    def orders(self) -> tuple[Order, ...]:
        """List the scripted answers that are still to come."""
        return self._orders.holding()

    def settle(self, timeout_s: float) -> bool:
        """Wait until no transition is under way, at most `timeout_s` seconds; tell whether it is so."""
        return self.cloud.lanes.settle(timeout_s)

    def close(self) -> None:
        """End the watch and cut delays short; the runtime is its owner's to close. Takes `CLOSE_S` seconds at most."""
        self.cloud.closing.set()
        self._watch.thread.join(CLOSE_S)
        self.cloud.lanes.settle(CLOSE_S)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        call = read_call(environ)
        with self._counting:
            self._calls[call.name] += 1
        order = self._orders.take(call)
        if order is not None and (ordered := self._on_order(order.then, call, environ)):
            return _reply(ordered, start_response)
        stuck = order is not None and isinstance(order.then, Stuck)
        return self._answered(replace(call, stuck=True) if stuck else call, environ, start_response)

    def _on_order(self, then: Effect, call: Call, environ: WSGIEnvironment) -> Answer | None:
        """Do what was ordered for a call; the answer, where the order gives one in place of the cloud."""
        match then:
            case Fail(code, message):
                return refusal_answer(call, Refusal(code, message, status=then.http_status))
            case Late(seconds):
                self.cloud.wait(seconds)
            case Stale():
                return self._memory.answer(call)
            case Dropped(done):
                if done:
                    b"".join(self._answered(call, environ, lambda *_: bytes))
                _hang_up(environ)
            case Stuck():
                pass
            case _:
                assert_never(then)
        return None

    def _answered(self, call: Call, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if call.service == "ec2":
            return _reply(self._memory.keep(call, self._ec2(call)), start_response)
        return self._pass(call, environ, start_response)

    def _ec2(self, call: Call) -> Answer:
        handler = self._handlers.get(call.action)
        if handler is None or call.is_set("DryRun"):
            answer = self.cloud.backend.ask(call)
            if call.action in MAKING_ACTIONS:
                self._adoption.reconcile(call.region)
            return answer
        try:
            return handler(call)
        except Refusal as refusal:
            return refusal_answer(call, refusal)
        except Exception as error:
            LOG.exception("%s: the gateway failed", call.name)
            return refusal_answer(call, Refusal("InternalFailure", f"The lab's gateway failed in {call.action}: {error!r}"))

    def _pass(self, call: Call, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if app := self.own_services.get(call.service):
            return app(environ, start_response)
        if call.service not in MAKES_INSTANCES:
            return self.app(environ, start_response)
        with self.cloud.lock:
            parts = list(self.app(environ, start_response))
            if not call.action.startswith(READS):
                self._adoption.reconcile(call.region)
        return parts


def moto_app() -> WSGIApplication:
    """Make moto's server application. It starts with no images but the lab's own, which also makes it quick to start."""
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    return one_writer_at_a_time(app)


def one_writer_at_a_time(app: WSGIApplication) -> WSGIApplication:
    """Let conditional writes (S3's If-None-Match and If-Match) follow one another, as AWS does: moto looks first and writes afterwards."""
    lock = threading.Lock()

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "PUT" or not environ.keys() & CONDITIONS:
            return app(environ, start_response)
        with lock:
            return list(app(environ, start_response))

    return serve


def _hang_up(environ: WSGIEnvironment) -> NoReturn:
    """End the connection without an answer; a server that keeps connections open would wait for the next call otherwise."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped on order")


def _reply(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Status"
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.headers]
    start_response(f"{answer.status} {phrase}", headers)
    return [answer.body]
