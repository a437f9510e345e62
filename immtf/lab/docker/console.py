"""A guest's console, written into a file as it speaks; the file outlives the guest.

Docker keeps what all of a container's starts said, so a follower that begins anew (at each start) leaves out what the file has already.
"""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

from immtf.lab.docker.engine import FAILURES

if TYPE_CHECKING:
    from pathlib import Path

LOG = logging.getLogger(__name__)
END_LIMIT_S = 10.0


class Console:
    """The log of one instance."""

    def __init__(self, client: Any, container_id: str, file: Path) -> None:
        """Follow the container's output into `file`, from its first start on."""
        self._client = client
        self._container_id = container_id
        self._file = file
        self._written = 0
        self._thread: Thread | None = None

    def follow(self) -> None:
        """Follow a start until the guest is gone."""
        self.finish()
        self._thread = Thread(target=self._run, name=f"console of {self._file.stem}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last words of a guest that is gone."""
        if self._thread is not None:
            self._thread.join(END_LIMIT_S)

    def _run(self) -> None:
        try:
            stream = self._client.api.logs(self._container_id, stream=True, follow=True)
            with self._file.open("ab") as file:
                for count, byte in enumerate(stream, start=1):  # the SDK gives a terminal's output byte by byte
                    if count <= self._written:
                        continue
                    self._written = count
                    if byte != b"\r":
                        file.write(byte)
                    if byte == b"\n":
                        file.flush()
        except FAILURES as error:
            LOG.warning("%s: the console is not followed any more: %s", self._file.stem, error)
