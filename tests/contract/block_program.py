"""A program that stands in for immtf on one block: its first argument says how it behaves. It writes the very lines that immtf writes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from immtf.model.event_record import to_record
from immtf.model.events import Event, Noted, RunFinished, RunHalted, RunStarted
from immtf.report.record import encode

AT = "2026-01-01T00:00:00.000Z"
STARTED = RunStarted("upgrade", "b", "1.0.0", "e", "lab", "w")
GARBAGE = b'\xff\xfe{]\n{"v": 99, "event": "noted"}\n\x1b[31mred\x1b[0m\n' + b"x" * 100_000 + b"\n" + b"y\n" * 2000 + b"no end"
UNREAD = b"progress\nimmtf: x/immtf.yaml: there is no such file\n  next: name the block's directory\n"


def tell(*events: Event) -> None:
    for seq, event in enumerate(events, 1):
        os.write(1, f"{encode(to_record(event, run='r', seq=seq, at=AT))}\n".encode())


def finished(outcome: str = "done", code: int = 0) -> RunFinished:
    return RunFinished(outcome, 0, 0, None, None, None, exit_code=code)


def killed() -> None:
    tell(STARTED)
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    raise RuntimeError("a fault")


def stubborn() -> None:
    """Take no notice of a signal but to tell it, until a file is there."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: tell(Noted("info", f"got {signal.Signals(number).name}")))
    tell(STARTED)
    while not Path(os.environ["STOP"]).exists():
        time.sleep(0.05)
    tell(finished())


def orderly() -> None:
    """End in good order when it is asked to."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: asked.append(number))
    tell(STARTED)
    while not asked:
        time.sleep(0.05)
    tell(RunHalted("asked to end", "", "safe", "immtf upgrade b", 21), finished("paused", 21))
    sys.exit(21)


def deaf() -> None:
    """Never listen to signals."""
    os.write(1, b"begun\n")
    time.sleep(600)


def who() -> None:
    """Tell what it was given: whether its group is its own, its input, its environment."""
    given = f"{os.getpgid(0) == os.getpid()} {sys.stdin.read()!r} {','.join(sorted(os.environ))}"
    tell(STARTED, Noted("info", given), finished())


SAYS: dict[str, tuple[list[Event], bytes, bytes, int]] = {
    "done": ([STARTED, Noted("info", "hello"), finished()], b"", b"", 0),
    "nothing": ([STARTED, finished("nothing_to_do")], b"", b"", 0),
    "pending": ([STARTED, finished("pending", 10)], b"", b"", 10),
    "halted": ([STARTED, RunHalted("no leader", "server/a", "all is safe", "immtf upgrade b", 20), finished("halted", 20)], b"", b"", 20),
    "silent": ([], b"", b"", 0),
    "unread": ([], b"", UNREAD, 2),
    "garbage": ([], GARBAGE, b"", 3),
}
DOES = {"killed": killed, "crash": crash, "stubborn": stubborn, "orderly": orderly, "deaf": deaf, "who": who}


def main(how: str) -> int:
    """Behave so; return the exit code."""
    if how in DOES:
        DOES[how]()
        return 0
    events, output, errors, code = SAYS[how]
    tell(*events)
    os.write(1, output)
    os.write(2, errors)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
