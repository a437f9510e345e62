"""The EC2 query protocol, and as much of the other services' as counting and refusing needs.

A request says what it is in two places: the SigV4 credential scope names region and service (nobody checks the signature),
a form or a header names the action. Answers are XML; a namespace is cut off while reading and put back while writing, so
that everything between the two speaks of plain tags. Nothing here knows what an action means.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"
XML_TYPE = "text/xml;charset=UTF-8"
FORM_TYPE = "application/x-www-form-urlencoded"

_CREDENTIAL = re.compile(r"Credential=[^/,\s]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


class Refusal(Exception):
    """What the API answers instead of doing what was asked: AWS's own code and wording, and the HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        """Keep the three parts."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, as far as it could be read. `form` holds query and body parameters, each name once."""

    service: str
    region: str
    action: str
    form: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "query"
    stuck: bool = False

    @property
    def name(self) -> str:
        """Service and action, as they are counted: `ec2.RunInstances`."""
        return f"{self.service or 'http'}.{self.action}"

    def members(self, prefix: str) -> list[str]:
        """Give the values of `prefix.1`, `prefix.2`, … in their order."""
        return members(self.form, prefix)

    def is_set(self, name: str) -> bool:
        """Tell whether the parameter is there and true."""
        return self.form.get(name, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: bytes
    content_type: str = XML_TYPE
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def failed(self) -> bool:
        """Tell whether the API refused."""
        return self.status >= 400  # noqa: PLR2004 - where HTTP's errors begin


def read_call(environ: WSGIEnvironment) -> Call:
    """Read service, region and action; a form body is read and put back, any other body is left alone."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    scope = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "") or f"Credential={query.get('X-Amz-Credential', '')}")
    service, region = (scope["service"].lower(), scope["region"]) if scope else ("", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, region, target.rpartition(".")[2], _json_strings(read_body(environ)), protocol="json")
    form = dict(query)
    if environ.get("CONTENT_TYPE", "").startswith(FORM_TYPE):
        form |= dict(parse_qsl(read_body(environ).decode(), keep_blank_values=True))
    if action := form.get("Action"):
        return Call(service, region, action, form)
    return Call(service, region, environ.get("REQUEST_METHOD", "GET"), form, protocol="rest")


def read_body(environ: WSGIEnvironment) -> bytes:
    """Read the body whole and put it back for the next reader; one that doesn't tell its length is left alone."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length:
        return b""
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _json_strings(body: bytes) -> dict[str, str]:
    """Flatten a JSON body into a form (`InstanceIds.1`), which is all that counting and orders look at."""
    found: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        match value:
            case dict():
                for key, part in value.items():
                    walk(f"{prefix}.{key}" if prefix else str(key), part)
            case list():
                for number, part in enumerate(value, start=1):
                    walk(f"{prefix}.{number}", part)
            case _:
                found[prefix] = str(value)

    try:
        walk("", json.loads(body or b"{}"))
    except ValueError:
        return {}
    return found


def members(form: Mapping[str, str], prefix: str) -> list[str]:
    """Give the values of `prefix.1`, `prefix.2`, … in the order of their numbers."""
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\Z")
    numbered = [(int(match[1]), value) for name, value in form.items() if (match := pattern.match(name))]
    return [value for _, value in sorted(numbered)]


def groups(form: Mapping[str, str], prefix: str) -> dict[int, dict[str, str]]:
    """Give the structures `prefix.N.…` by their number, each as a form of what stands behind the number."""
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.(.+)\Z")
    found: dict[int, dict[str, str]] = {}
    for name, value in form.items():
        if match := pattern.match(name):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return dict(sorted(found.items()))


def parse_xml(body: bytes) -> ET.Element:
    """Read an XML answer and cut off its namespace."""
    root = ET.fromstring(body)  # noqa: S314 - the lab's own backend wrote it, in this process
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def write_xml(root: ET.Element) -> bytes:
    """Write an answer with EC2's namespace."""
    root.set("xmlns", XMLNS)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def text(element: ET.Element, path: str) -> str:
    """Give the text at the path, or nothing; moto's older templates write `None` where there is nothing."""
    found = (element.findtext(path) or "").strip()
    return "" if found == "None" else found


def put(element: ET.Element, path: str, value: str) -> None:
    """Set the text at the path, making what is missing on the way."""
    for tag in path.split("/"):
        below = element.find(tag)
        element = ET.SubElement(element, tag) if below is None else below
    element.text = value


def ec2_answer(action: str, fields: Mapping[str, str | list[Mapping[str, str]]]) -> Answer:
    """Make an answer of EC2; a key is a path, a list becomes `item`s."""
    root = ET.Element(f"{action}Response")
    put(root, "requestId", "00000000-0000-4000-8000-000000000000")
    for path, value in fields.items():
        if isinstance(value, str):
            put(root, path, value)
            continue
        rows = ET.SubElement(root, path)
        for row in value:
            item = ET.SubElement(rows, "item")
            for name, part in row.items():
                put(item, name, part)
    return Answer(200, write_xml(root))


def refusal_answer(call: Call, refusal: Refusal) -> Answer:
    """Say no in the protocol of the service that was asked."""
    if call.protocol == "json":
        body = json.dumps({"__type": refusal.code, "message": refusal.message}).encode()
        return Answer(refusal.status, body, "application/x-amz-json-1.1", (("x-amzn-ErrorType", refusal.code),))
    inner = f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
    request = "00000000-0000-4000-8000-000000000000"
    if call.service == "ec2":
        whole = f"<Response><Errors>{inner}</Errors><RequestID>{request}</RequestID></Response>"
    else:
        whole = f"<ErrorResponse>{inner}<RequestId>{request}</RequestId></ErrorResponse>"
    return Answer(refusal.status, f'<?xml version="1.0" encoding="UTF-8"?>{whole}'.encode())
