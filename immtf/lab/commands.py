"""Commands sent to instances, and what has become of them: the part of Systems Manager that the lab makes true.

A command goes to several instances at once; each of its invocations goes `Pending`, `InProgress`, then `Success`, `Failed` or
`TimedOut`. One whose instance ends meanwhile has failed as undeliverable. The last thousand commands are remembered.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.lab.runtime import Executed, InstanceStatus, Runtime

DOCUMENT = "AWS-RunShellScript"
STDOUT_LIMIT = 24_000
STDERR_LIMIT = 8_000
PLUGIN_LIMIT = 2_500
DEFAULT_TIMEOUT_S = 3600
REMEMBERED = 1000
_TIMED_OUT = 124


class Refused(Exception):
    """What the API answers instead: AWS's code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Invocation:
    """One command on one instance; times are seconds since the epoch."""

    command_id: str
    instance_id: str
    comment: str
    requested: float
    status: str = "Pending"
    details: str = "Pending"
    code: int = -1
    stdout: str = ""
    stderr: str = ""


class Commands:
    """All commands of a lab."""

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        """Carry them out in `runtime`; `clock` gives seconds since the epoch."""
        self._runtime = runtime
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, dict[str, Invocation]] = {}

    def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """SendCommand: begin with it on every instance named, or on none."""
        if request["DocumentName"] != DOCUMENT:
            raise Refused("InvalidDocument", f"the lab knows the document {DOCUMENT}")
        script, timeout_s = _parameters(request.get("Parameters", {}))
        targets = request.get("InstanceIds", [])
        running = {row.instance_id for row in self._running()}
        unknown = [name for name in targets if name not in running]
        if unknown or not targets:
            raise Refused("InvalidInstanceId", f"Instances [[{', '.join(unknown)}]] not in a valid state for account 123456789012")
        command_id, now = str(uuid.uuid4()), self._clock()
        invocations = {name: Invocation(command_id, name, request.get("Comment", ""), now) for name in targets}
        with self._lock:
            self._known[command_id] = invocations
            for oldest in list(self._known)[:-REMEMBERED]:
                del self._known[oldest]
        for invocation in invocations.values():
            Thread(target=self._carry_out, args=(invocation, script, timeout_s), daemon=True).start()
        return {"Command": _command(request, command_id, now, timeout_s)}

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetCommandInvocation."""
        with self._lock:
            invocation = self._known.get(request["CommandId"], {}).get(request["InstanceId"])
            if invocation is None:
                raise Refused("InvocationDoesNotExist", "")
            return {
                "CommandId": invocation.command_id,
                "InstanceId": invocation.instance_id,
                "Comment": invocation.comment,
                "DocumentName": DOCUMENT,
                "PluginName": "aws:runShellScript",
                "ResponseCode": invocation.code,
                "Status": invocation.status,
                "StatusDetails": invocation.details,
                "StandardOutputContent": cut(invocation.stdout, STDOUT_LIMIT, "---Output truncated---"),
                "StandardErrorContent": cut(invocation.stderr, STDERR_LIMIT, "---Error truncated----"),
            }

    def list_invocations(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListCommandInvocations, by command or instance; all on one page."""
        with self._lock:
            found = [
                _listed(invocation, details=bool(request.get("Details")))
                for command_id, invocations in self._known.items()
                for instance_id, invocation in invocations.items()
                if request.get("CommandId", command_id) == command_id and request.get("InstanceId", instance_id) == instance_id
            ]
        return {"CommandInvocations": found}

    def describe_instances(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeInstanceInformation: the running instances, all on one page."""
        wanted: set[str] = set()
        for item in [*request.get("Filters", []), *request.get("InstanceInformationFilterList", [])]:
            if (item.get("Key") or item.get("key")) != "InstanceIds":
                raise Refused("InvalidFilterKey", "the lab filters by InstanceIds")
            wanted.update(item.get("Values") or item.get("valueSet") or [])
        rows = [row for row in self._running() if not wanted or row.instance_id in wanted]
        return {"InstanceInformationList": [_information(row, self._clock()) for row in rows]}

    def _running(self) -> list[InstanceStatus]:
        return [row for row in self._runtime.instances() if row.running]

    def _carry_out(self, invocation: Invocation, script: str, timeout_s: float) -> None:
        with self._lock:
            invocation.status = invocation.details = "InProgress"
        try:
            executed = self._runtime.execute(invocation.instance_id, script, timeout_s=timeout_s)
        except RuntimeFailed as failed:
            with self._lock:
                invocation.status, invocation.details, invocation.stderr = "Failed", "Undeliverable", str(failed)
            return
        with self._lock:
            invocation.status, invocation.details, invocation.code = outcome(executed)
            invocation.stdout, invocation.stderr = executed.stdout, executed.stderr


def outcome(executed: Executed) -> tuple[str, str, int]:
    """Give status, its details and the response code for what a command left."""
    if executed.exit_code == 0:
        return "Success", "Success", 0
    if executed.exit_code == _TIMED_OUT:
        return "TimedOut", "ExecutionTimedOut", 137
    return "Failed", "Failed", executed.exit_code


def cut(text: str, limit: int, note: str) -> str:
    """Keep at most `limit` characters, the last of them a note if any are missing, as the agent does it."""
    return text if len(text) <= limit else text[: limit - len(note) - 1] + "\n" + note


def _parameters(given: dict[str, list[str]]) -> tuple[str, float]:
    if unknown := given.keys() - {"commands", "executionTimeout", "workingDirectory"}:
        raise Refused("InvalidParameters", f"{DOCUMENT} has no parameter {', '.join(sorted(unknown))}")
    if any(given.get("workingDirectory", [])):
        raise Refused("InvalidParameters", "the lab has no workingDirectory: use cd in the script")
    if not given.get("commands"):
        raise Refused("InvalidParameters", "commands is missing")
    return "\n".join(given["commands"]) + "\n", float((given.get("executionTimeout") or [str(DEFAULT_TIMEOUT_S)])[0])


def _command(request: dict[str, Any], command_id: str, now: float, timeout_s: float) -> dict[str, Any]:
    return {
        "CommandId": command_id,
        "DocumentName": DOCUMENT,
        "DocumentVersion": "$DEFAULT",
        "Comment": request.get("Comment", ""),
        "ExpiresAfter": now + request.get("TimeoutSeconds", DEFAULT_TIMEOUT_S) + timeout_s,
        "Parameters": request.get("Parameters", {}),
        "InstanceIds": request["InstanceIds"],
        "Targets": [],
        "RequestedDateTime": now,
        "Status": "Pending",
        "StatusDetails": "Pending",
        "TargetCount": len(request["InstanceIds"]),
        "CompletedCount": 0,
        "ErrorCount": 0,
    }


def _listed(invocation: Invocation, *, details: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "CommandId": invocation.command_id,
        "InstanceId": invocation.instance_id,
        "Comment": invocation.comment,
        "DocumentName": DOCUMENT,
        "RequestedDateTime": invocation.requested,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
    }
    if details:
        output = cut(invocation.stdout + invocation.stderr, PLUGIN_LIMIT, "---Output truncated---")
        row["CommandPlugins"] = [
            {"Name": "aws:runShellScript", "Status": invocation.status, "ResponseCode": invocation.code, "Output": output}
        ]
    return row


def _information(row: InstanceStatus, now: float) -> dict[str, Any]:
    return {
        "InstanceId": row.instance_id,
        "PingStatus": "Online",
        "LastPingDateTime": now,
        "AgentVersion": "3.3.0.0",
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "immtf lab",
        "ResourceType": "EC2Instance",
        "IPAddress": row.address,
        "ComputerName": row.instance_id,
    }
