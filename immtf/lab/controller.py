"""The lab's controller: a process of its own that holds gateway, runtime and everything that runs, and outlives the commands that use it.

It starts as a child that leaves at once: a fork, a session of its own, no terminal, output in `controller.log`. When the lab
answers it writes `lab.json` and a line into the pipe that the starting command listens to; if it ends before, the pipe's end
says so. It ends on SIGTERM or when told (`/_lab/down`), and takes every guest with it; if it is killed, the guests notice.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from immtf.errors import LabFailed
from immtf.lab.address import PORT, claim
from immtf.lab.place import Place, held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.serving import BaseWSGIServer

LOG = logging.getLogger("immtf.lab.controller")
REGION = "eu-west-1"
LOCK_LIMIT_S = 5.0
DELAYS = ("none", "aws")
RUNTIMES = ("process", "docker")
READY = b"ready\n"


def make_record(number: int, *, delays: str, runtime: str = "process") -> dict[str, Any]:
    """Make what `lab.json` says of the lab that owns 127.`number`.0.0/16."""
    return {
        "version": 1,
        "endpoint": f"http://127.{number}.0.1:{PORT}",
        "cidr": f"127.{number}.0.0/16",
        "region": REGION,
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "delays": delays,
        "runtime": runtime,
    }


def serve(place: Place, delays: str, over: Event, ready: int, *, runtime: str = "process") -> None:
    """Run the lab in `place` until `over` is set; `ready` is the descriptor to say so on. Ends what it began, last first."""
    from immtf.lab.control import Control
    from immtf.lab.hosting import Hosted, make_server
    from immtf.lab.process.trees import remove_tree

    with ExitStack() as stack:
        number, listener = claim()
        stack.enter_context(listener)
        token, record = secrets.token_hex(16), make_record(number, delays=delays, runtime=runtime)
        stack.callback(remove_tree, place.runtime)
        hosted = Hosted(place.directory, path=os.environ["PATH"], delays=delays, region=REGION, over=over, runtime=runtime)
        record["cidr"] = hosted.cidr or record["cidr"]
        stack.callback(hosted.close)
        server = make_server(listener, Control(hosted, token, record, hosted.gateway))
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        stack.callback(_end, server, thread)
        thread.start()
        stack.callback(place.record.unlink, missing_ok=True)
        place.write({**record, "token": token})
        LOG.info("the lab answers at %s, pid %d, delays %s", record["endpoint"], record["pid"], delays)
        with os.fdopen(ready, "wb") as pipe, suppress(BrokenPipeError):
            pipe.write(READY)
        over.wait()
        LOG.info("going down")


def _end(server: BaseWSGIServer, thread: Thread) -> None:
    server.shutdown()
    thread.join(LOCK_LIMIT_S)
    server.server_close()


def main(arguments: Sequence[str]) -> int:
    """`--directory D --delays none|aws --runtime process|docker --ready FD`: become a process of its own and run the lab; 1 if it can't."""
    parser = argparse.ArgumentParser(prog="immtf.lab.controller")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--delays", choices=DELAYS, default="none")
    parser.add_argument("--runtime", choices=RUNTIMES, default="process")
    parser.add_argument("--ready", type=int, required=True)
    options = parser.parse_args(arguments)
    if os.fork():
        return 0  # the starting command has waited for this much only; the lab is nobody's child
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    place = Place(options.directory)
    try:
        with held(place.controller_lock, LOCK_LIMIT_S, time.monotonic, time.sleep):
            serve(place, options.delays, over, options.ready, runtime=options.runtime)
    except (LabFailed, TimeoutError) as failed:
        LOG.error("%s", failed)  # noqa: TRY400 - a sentence for a person, who has no use for the stack
        return 1
    except Exception:
        LOG.exception("the controller failed")
        return 1
    LOG.info("down")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
