"""GetConsoleOutput: the end of the log that the runtime keeps of an instance, as the cloud keeps its console's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.lab.gateway.backend import tree_of
from immtf.lab.gateway.wire import Answer, put, write_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.wire import Call

KEPT = 65536  # bytes, as AWS keeps them


class ConsoleActions:
    """GetConsoleOutput."""

    def __init__(self, cloud: Cloud) -> None:
        """Take the cloud."""
        self.cloud = cloud

    def handlers(self) -> Mapping[str, Callable[[Call], Answer]]:
        """Give the handler of each action."""
        return {"GetConsoleOutput": self.output}

    def output(self, call: Call) -> Answer:
        """Let the backend judge the id; what it makes up as output is replaced."""
        answer = self.cloud.backend.ask(call)
        if answer.failed:
            return answer
        root, wanted = tree_of(answer), call.form.get("InstanceId", "")
        log = next((row.log for row in self.cloud.runtime.instances() if row.instance_id == wanted), "")
        put(root, "output", base64.b64encode(_tail(Path(log)) if log else b"").decode())
        return Answer(answer.status, write_xml(root))


def _tail(log: Path) -> bytes:
    try:
        return log.read_bytes()[-KEPT:]
    except OSError:
        return b""
