"""The lab's SSM as boto3 sees it, in front of guests in which programs really run."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from werkzeug.serving import make_server

from immtf.lab.commands import STDERR_LIMIT, STDOUT_LIMIT, cut
from immtf.lab.ssm import Ssm
from tests.contract.runtime_benches import LIMIT_S, ProcessBench, eventually, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_ssm import SSMClient

DOCUMENT = "AWS-RunShellScript"


def otherwise(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return [b'{"Parameter": {"Name": "moto", "Value": "%d"}}' % len(body)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessBench]:
    folder: Path = tmp_path_factory.mktemp("ssm")
    made = ProcessBench(folder)
    made.image(mounts=[], services=[])
    made.runtime.boot(make_spec("i-1"))
    made.runtime.boot(make_spec("i-2", address="127.254.10.12"))
    made.runtime.boot(make_spec("i-3", address="127.254.10.13"))
    made.runtime.stop("i-3")
    yield made
    made.runtime.close()


@pytest.fixture(scope="module")
def ssm(bench: ProcessBench) -> Iterator[SSMClient]:
    server = make_server("127.0.0.1", 0, Ssm(bench.runtime, clock=time.time, otherwise=otherwise), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    client = boto3.client(
        "ssm",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def send(ssm: SSMClient, *commands: str, instances: tuple[str, ...] = ("i-1",), **parameters: list[str]) -> str:
    sent = ssm.send_command(InstanceIds=[*instances], DocumentName=DOCUMENT, Parameters={"commands": [*commands], **parameters})
    assert sent["Command"]["Status"] == "Pending"
    return sent["Command"]["CommandId"]


def outcome(ssm: SSMClient, command_id: str, instance_id: str = "i-1") -> Any:
    """Wait for the end of a command."""
    ended: list[Any] = []

    def has_ended() -> bool:
        ended.append(ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id))
        return ended[-1]["Status"] not in ("Pending", "InProgress")

    eventually(has_ended, LIMIT_S)
    return ended[-1]


def test_a_command_that_succeeds(ssm: SSMClient) -> None:
    got = outcome(ssm, send(ssm, "echo out", 'cat "${IMMTF_ROOT:-}/etc/image-version"', "echo err >&2"))
    assert (got["Status"], got["StatusDetails"], got["ResponseCode"]) == ("Success", "Success", 0)
    assert got["StandardOutputContent"] == "out\n1.0.0\n"
    assert got["StandardErrorContent"] == "err\n"


def test_a_command_that_fails(ssm: SSMClient) -> None:
    got = outcome(ssm, send(ssm, "exit 7"))
    assert (got["Status"], got["ResponseCode"]) == ("Failed", 7)


def test_a_command_that_takes_too_long(ssm: SSMClient) -> None:
    got = outcome(ssm, send(ssm, "echo begun; sleep 100", executionTimeout=["1"]))
    assert (got["Status"], got["StatusDetails"], got["ResponseCode"]) == ("TimedOut", "ExecutionTimedOut", 137)
    assert got["StandardOutputContent"] == "begun\n"


def test_a_command_under_way(ssm: SSMClient) -> None:
    command_id = send(ssm, "sleep 0.5")
    got = ssm.get_command_invocation(CommandId=command_id, InstanceId="i-1")
    assert (got["Status"] in ("Pending", "InProgress"), got["ResponseCode"]) == (True, -1)
    assert outcome(ssm, command_id)["Status"] == "Success"


def test_several_instances_and_their_list(ssm: SSMClient) -> None:
    command_id = send(ssm, "echo said", instances=("i-1", "i-2"))
    for instance_id in ("i-1", "i-2"):
        assert outcome(ssm, command_id, instance_id)["Status"] == "Success"
    rows = ssm.list_command_invocations(CommandId=command_id, Details=True)["CommandInvocations"]
    assert {row["InstanceId"] for row in rows} == {"i-1", "i-2"}
    assert [row["CommandPlugins"][0]["Output"] for row in rows] == ["said\n", "said\n"]


def test_output_is_cut_where_aws_cuts_it(ssm: SSMClient) -> None:
    got = outcome(ssm, send(ssm, "yes | head -c 50000; yes | head -c 50000 >&2"))
    assert len(got["StandardOutputContent"]) == STDOUT_LIMIT
    assert len(got["StandardErrorContent"]) == STDERR_LIMIT
    assert got["StandardOutputContent"].endswith("\n---Output truncated---")
    assert cut("exactly", 7, "x") == "exactly"


@pytest.mark.parametrize("instance_id", ["i-3", "i-none"])
def test_an_instance_that_does_not_run_is_refused(ssm: SSMClient, instance_id: str) -> None:
    with pytest.raises(ssm.exceptions.InvalidInstanceId):
        send(ssm, "true", instances=("i-1", instance_id))


def test_an_instance_that_stops_meanwhile(ssm: SSMClient, bench: ProcessBench) -> None:
    bench.runtime.start("i-3")
    command_id = send(ssm, "sleep 100", instances=("i-3",))
    bench.runtime.stop("i-3", force=True)
    got = outcome(ssm, command_id, "i-3")
    assert (got["Status"], got["StatusDetails"], got["ResponseCode"]) == ("Failed", "Undeliverable", -1)


def test_an_unknown_command(ssm: SSMClient) -> None:
    with pytest.raises(ssm.exceptions.InvocationDoesNotExist):
        ssm.get_command_invocation(CommandId="0" * 36, InstanceId="i-1")
    known = send(ssm, "true")
    with pytest.raises(ssm.exceptions.InvocationDoesNotExist):
        ssm.get_command_invocation(CommandId=known, InstanceId="i-2")


def test_another_document_and_other_parameters_are_refused(ssm: SSMClient) -> None:
    with pytest.raises(ssm.exceptions.InvalidDocument):
        ssm.send_command(InstanceIds=["i-1"], DocumentName="AWS-RunPowerShellScript")
    with pytest.raises(ssm.exceptions.InvalidParameters):
        send(ssm, "true", somethingElse=["1"])


def test_only_running_instances_are_managed(ssm: SSMClient) -> None:
    rows = ssm.describe_instance_information()["InstanceInformationList"]
    assert {row["InstanceId"]: row["PingStatus"] for row in rows} == {"i-1": "Online", "i-2": "Online"}
    one = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": ["i-2"]}])["InstanceInformationList"]
    assert [row["IPAddress"] for row in one] == ["127.254.10.12"]


def test_whatever_else_ssm_offers_is_handed_on(ssm: SSMClient) -> None:
    assert ssm.get_parameter(Name="x")["Parameter"]["Name"] == "moto"
