"""The `Guest` port over SSM RunCommand: a shell script on an instance, through its agent, without a network path to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import translated
from immtf.errors import CloudFailed, GuestFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from immtf.adapters.aws import Aws
    from immtf.run.ports import Clock

UNDER_WAY = frozenset({"Pending", "InProgress", "Delayed"})
NOT_YET = "InvocationDoesNotExist"
LEAST_TIMEOUT_S = 30  # SSM takes no shorter time to deliver a command
FIRST_POLL_S = 0.1
LONGEST_POLL_S = 2.0
MANY = 50
"""How many instances one command may name (SSM's SendCommand)."""
LISTED_OUTPUT = 2400
"""Output as long as this may have been cut in the list of invocations, which gives 2,500 characters of each."""


class Ssm:
    """SSM in one region. Raises `GuestFailed` where the script could not be run or did not end in time."""

    def __init__(self, aws: Aws, clock: Clock) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ssm")
        self._clock = clock

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        command = self._send([instance_id], script, timeout_s)
        deadline = self._clock.monotonic() + timeout_s + LEAST_TIMEOUT_S
        poll = FIRST_POLL_S
        while self._clock.monotonic() < deadline:
            answer = self._answer(command, instance_id)
            if answer is not None:
                return answer
            self._clock.sleep(poll)
            poll = min(poll * 1.5, LONGEST_POLL_S)
        raise GuestFailed(f"no answer within {timeout_s + LEAST_TIMEOUT_S:.0f} s", where=instance_id)

    def run_on(self, ids: Collection[str], script: str, *, timeout_s: float) -> dict[str, tuple[int, str, str] | GuestFailed]:
        found: dict[str, tuple[int, str, str] | GuestFailed] = {}
        for part in _parts(sorted(ids)):
            try:
                command = self._send(part, script, timeout_s)
            except GuestFailed:  # one of them can't be reached, and SSM doesn't begin with the others then
                found |= {instance_id: self._tried(instance_id, script, timeout_s) for instance_id in part}
            else:
                found |= self._answers(command, part, timeout_s)
        return found

    def _tried(self, instance_id: str, script: str, timeout_s: float) -> tuple[int, str, str] | GuestFailed:
        try:
            return self.run(instance_id, script, timeout_s=timeout_s)
        except GuestFailed as failed:
            return failed

    def _answers(self, command: str, ids: Sequence[str], timeout_s: float) -> dict[str, tuple[int, str, str] | GuestFailed]:
        """Wait until a command has ended on all of these instances; an answer too long for the list is asked for by itself."""
        deadline = self._clock.monotonic() + timeout_s + LEAST_TIMEOUT_S
        poll = FIRST_POLL_S
        while True:
            ended = {row["InstanceId"]: row for row in self._listed(command) if row["Status"] not in UNDER_WAY}
            if len(ended) == len(ids) or self._clock.monotonic() >= deadline:
                break
            self._clock.sleep(poll)
            poll = min(poll * 1.5, LONGEST_POLL_S)
        late = GuestFailed(f"no answer within {timeout_s + LEAST_TIMEOUT_S:.0f} s")
        return {instance_id: self._told(command, instance_id, ended[instance_id]) if instance_id in ended else late for instance_id in ids}

    def _listed(self, command: str) -> list[dict[str, Any]]:
        with translated(f"ssm {command}"):
            pages = self._client.get_paginator("list_command_invocations").paginate(CommandId=command, Details=True)
            return [row for page in pages for row in page["CommandInvocations"]]

    def _told(self, command: str, instance_id: str, row: Mapping[str, Any]) -> tuple[int, str, str] | GuestFailed:
        plugin: Mapping[str, Any] = next(iter(row.get("CommandPlugins", ())), {})
        output = plugin.get("Output", "")
        if row["Status"] == "Success" and plugin.get("ResponseCode") == 0 and len(output) < LISTED_OUTPUT:
            return 0, output, ""
        try:
            return self._answer(command, instance_id) or GuestFailed("the answer is gone", where=instance_id)
        except GuestFailed as failed:
            return failed

    def _send(self, ids: Sequence[str], script: str, timeout_s: float) -> str:
        where = ", ".join(ids)
        try:
            with translated(f"ssm {where}"):
                sent = self._client.send_command(
                    InstanceIds=list(ids),
                    DocumentName="AWS-RunShellScript",
                    Parameters={"commands": [script], "executionTimeout": [str(max(1, math.ceil(timeout_s)))]},
                    TimeoutSeconds=LEAST_TIMEOUT_S,
                )
        except CloudFailed as error:
            if error.code != "InvalidInstanceId":
                raise
            what = "SSM does not reach the instance: not running, or its agent is not"
            raise GuestFailed(what, where=where, next="see that the image runs the SSM agent, with a role that lets it in") from error
        return str(sent["Command"]["CommandId"])

    def _answer(self, command: str, instance_id: str) -> tuple[int, str, str] | None:
        try:
            with translated(f"ssm {instance_id}"):
                got = self._client.get_command_invocation(CommandId=command, InstanceId=instance_id)
        except CloudFailed as error:
            if error.code == NOT_YET:
                return None
            raise
        if got["Status"] in UNDER_WAY:
            return None
        if got["Status"] not in {"Success", "Failed"} or got["ResponseCode"] < 0:  # -1: it never came to an exit code
            how = got.get("StatusDetails") or got["Status"]
            raise GuestFailed(f"the command ended as {how}: {got.get('StandardErrorContent', '').strip()}", where=instance_id)
        return int(got["ResponseCode"]), got.get("StandardOutputContent", ""), got.get("StandardErrorContent", "")


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), MANY):
        yield ids[start : start + MANY]
