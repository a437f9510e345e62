from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from immtf.lab.gateway.wire import (
    Call,
    Refusal,
    ec2_answer,
    groups,
    members,
    parse_xml,
    put,
    read_call,
    refusal_answer,
    text,
    write_xml,
)

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

SCOPE = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-central-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def make_environ(service: str, body: bytes = b"", **more: Any) -> WSGIEnvironment:
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "POST",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": SCOPE.format(service),
        "wsgi.input": io.BytesIO(body),
    }
    return environ | more


def test_service_and_region_come_from_the_scope_and_the_body_is_left_for_the_next_reader() -> None:
    body = urlencode({"Action": "StopInstances", "InstanceId.1": "i-1", "Force": "true"}).encode()
    environ = make_environ("ec2", body)
    call = read_call(environ)
    assert (call.service, call.region, call.name) == ("ec2", "eu-central-1", "ec2.StopInstances")
    assert (call.members("InstanceId"), call.is_set("Force"), call.is_set("Hibernate")) == (["i-1"], True, False)
    assert environ["wsgi.input"].read() == body


def test_an_action_may_stand_in_the_query() -> None:
    query = urlencode({"Action": "DescribeVpcs", "X-Amz-Credential": "AKIA/20260101/us-east-1/ec2/aws4_request"})
    call = read_call(make_environ("ec2", QUERY_STRING=query, HTTP_AUTHORIZATION=""))
    assert (call.name, call.region) == ("ec2.DescribeVpcs", "us-east-1")


def test_a_json_service_names_its_action_in_a_header() -> None:
    body = json.dumps({"InstanceIds": ["i-1", "i-2"], "Parameters": {"commands": ["true"]}}).encode()
    call = read_call(make_environ("ssm", body, CONTENT_TYPE="application/x-amz-json-1.1", HTTP_X_AMZ_TARGET="AmazonSSM.SendCommand"))
    assert call.name == "ssm.SendCommand"
    assert call.form == {"InstanceIds.1": "i-1", "InstanceIds.2": "i-2", "Parameters.commands.1": "true"}


def test_garbage_is_a_call_without_parameters() -> None:
    call = read_call(make_environ("ssm", b"{", HTTP_X_AMZ_TARGET="AmazonSSM.SendCommand"))
    assert (call.name, call.form) == ("ssm.SendCommand", {})


def test_a_rest_service_is_counted_by_method_and_its_body_is_not_touched() -> None:
    environ = make_environ("s3", b"content", REQUEST_METHOD="PUT", CONTENT_TYPE="binary/octet-stream")
    assert read_call(environ).name == "s3.PUT"
    assert environ["wsgi.input"].read() == b"content"


def test_a_request_without_a_scope_is_nobodys() -> None:
    assert read_call(make_environ("", HTTP_AUTHORIZATION="", REQUEST_METHOD="GET")).name == "http.GET"


def test_members_and_groups_are_in_the_order_of_their_numbers() -> None:
    form = {"V.10": "c", "V.2": "b", "V.1": "a", "V.1.Name": "x", "Vx.1": "no"}
    assert members(form, "V") == ["a", "b", "c"]
    assert groups({"F.2.Name": "b", "F.1.Name": "a", "F.1.Value.1": "v"}, "F") == {1: {"Name": "a", "Value.1": "v"}, 2: {"Name": "b"}}


def test_xml_is_read_without_and_written_with_its_namespace() -> None:
    root = parse_xml(b'<R xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><a><b> 1 </b><c>None</c></a></R>')
    assert (text(root, "a/b"), text(root, "a/c"), text(root, "a/d")) == ("1", "", "")
    put(root, "a/b", "2")
    put(root, "x/y", "3")
    assert b'<R xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><a><b>2</b><c>None</c></a><x><y>3</y></x></R>' in write_xml(root)


def test_an_answer_of_ec2_has_items() -> None:
    root = parse_xml(ec2_answer("StopInstances", {"instancesSet": [{"instanceId": "i-1", "currentState/name": "stopping"}]}).body)
    assert root.tag == "StopInstancesResponse"
    assert text(root, "instancesSet/item/currentState/name") == "stopping"


def test_no_is_said_in_the_protocol_that_was_spoken() -> None:
    no = Refusal("Code", "a < b", status=503)
    ec2 = refusal_answer(Call("ec2", "r", "X"), no)
    assert (ec2.status, text(ET.fromstring(ec2.body), "Errors/Error/Message")) == (503, "a < b")  # noqa: S314 - made above
    assert text(ET.fromstring(refusal_answer(Call("sts", "r", "X"), no).body), "Error/Code") == "Code"  # noqa: S314 - made above
    assert json.loads(refusal_answer(Call("ssm", "r", "X", protocol="json"), no).body) == {"__type": "Code", "message": "a < b"}
