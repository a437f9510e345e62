"""The `Guest` port over SSM RunCommand: a shell script on an instance, through its agent, without a network path to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from immtf.adapters.aws import translated
from immtf.errors import CloudFailed, GuestFailed

if TYPE_CHECKING:
    from immtf.adapters.aws import Aws
    from immtf.run.ports import Clock

UNDER_WAY = frozenset({"Pending", "InProgress", "Delayed"})
NOT_YET = "InvocationDoesNotExist"
LEAST_TIMEOUT_S = 30  # SSM takes no shorter time to deliver a command
FIRST_POLL_S = 0.1
LONGEST_POLL_S = 2.0


class Ssm:
    """SSM in one region. Raises `GuestFailed` where the script could not be run or did not end in time."""

    def __init__(self, aws: Aws, clock: Clock) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ssm")
        self._clock = clock

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        command = self._send(instance_id, script, timeout_s)
        deadline = self._clock.monotonic() + timeout_s + LEAST_TIMEOUT_S
        poll = FIRST_POLL_S
        while self._clock.monotonic() < deadline:
            answer = self._answer(command, instance_id)
            if answer is not None:
                return answer
            self._clock.sleep(poll)
            poll = min(poll * 1.5, LONGEST_POLL_S)
        raise GuestFailed(f"no answer within {timeout_s + LEAST_TIMEOUT_S:.0f} s", where=instance_id)

    def _send(self, instance_id: str, script: str, timeout_s: float) -> str:
        try:
            with translated(f"ssm {instance_id}"):
                sent = self._client.send_command(
                    InstanceIds=[instance_id],
                    DocumentName="AWS-RunShellScript",
                    Parameters={"commands": [script], "executionTimeout": [str(max(1, math.ceil(timeout_s)))]},
                    TimeoutSeconds=LEAST_TIMEOUT_S,
                )
        except CloudFailed as error:
            if error.code != "InvalidInstanceId":
                raise
            what = "SSM does not reach the instance: not running, or its agent is not"
            raise GuestFailed(what, where=instance_id, next="see that the image runs the SSM agent, with a role that lets it in") from error
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
