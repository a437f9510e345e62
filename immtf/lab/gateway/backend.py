"""The way to moto: a WSGI application that is asked either for a client or for the gateway itself.

moto is not made for threads (one reservation half made is seen by the next reader), and every decision of the gateway reads
before it writes: so one lock is held around each call to EC2, and by the gateway around a decision and its call. What moto
answers with a 5xx, or raises, becomes a 400 that says so: AWS's clients retry a 5xx in silence for minutes.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from immtf.lab.gateway.wire import FORM_TYPE, Answer, Call, Refusal, parse_xml, refusal_answer, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import RLock
    from wsgiref.types import WSGIApplication, WSGIEnvironment
    from xml.etree.ElementTree import Element

SERVER_ERROR = 500


class Backend:
    """moto, asked in EC2's own words."""

    def __init__(self, app: WSGIApplication, lock: RLock) -> None:
        """Take the application and the lock that is held around every call to EC2."""
        self.app = app
        self.lock = lock

    def ask(self, call: Call, form: Mapping[str, str] | None = None) -> Answer:
        """Send the call, with another form if one is given, and give what came back; a 5xx comes back as a 400."""
        sent = dict(call.form if form is None else form)
        sent["Action"] = call.action
        sent.setdefault("Version", "2016-11-15")
        with self.lock:
            try:
                answer = run_app(self.app, _environ(call.region, urlencode(sent).encode()))
            except Exception as error:  # noqa: BLE001 - whatever moto raises is moto's "no"; it must not reach a client as a 500
                return _unsupported(call, repr(error))
        return answer if answer.status < SERVER_ERROR else _unsupported(call, f"HTTP {answer.status} from the backend")

    def tree(self, region: str, action: str, form: Mapping[str, str] | None = None) -> Element:
        """Ask for something of the gateway's own and give the answer's tree. Raises `Refusal` with the backend's error."""
        return tree_of(self.ask(Call("ec2", region, action, dict(form or {}))))


def tree_of(answer: Answer) -> Element:
    """Give the answer's tree; raise `Refusal` with what it says if it is an error."""
    root = parse_xml(answer.body)
    if answer.failed:
        code, message = text(root, "Errors/Error/Code"), text(root, "Errors/Error/Message")
        raise Refusal(code or "InternalError", message or "the backend gave no reason", status=answer.status)
    return root


def run_app(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Run a WSGI application once and give its whole answer."""
    seen: list[tuple[str, list[tuple[str, str]]]] = []
    written = io.BytesIO()

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None, /) -> Any:
        seen.append((status, headers))
        return written.write

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    status, headers = seen[-1]
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    return Answer(int(status.split()[0]), written.getvalue() + body, content_type)


def _unsupported(call: Call, reason: str) -> Answer:
    refusal = Refusal("UnsupportedOperation", f"The lab's backend can't carry out {call.action}: {reason}")
    return refusal_answer(call, refusal)


def _environ(region: str, body: bytes) -> WSGIEnvironment:
    """Make the environment of a request: moto finds service and region in the credential scope."""
    scope = f"Credential=lab/20200101/{region}/ec2/aws4_request"
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": f"ec2.{region}.amazonaws.com",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "CONTENT_TYPE": f"{FORM_TYPE}; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
