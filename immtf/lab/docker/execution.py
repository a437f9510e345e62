"""A command in a guest: carried out as root, within its time, with as much of its output as anybody reads.

The script is handed over as text and run as a file, by what its first line names, else by `sh`; its output goes to files. So a command is
over when its first process is, and what it leaves in the background goes on without being waited for. All that comes back comes at the
end and in one piece: an answer that isn't whole is none.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import docker.errors

from immtf.lab.runtime import Executed, RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST_OUTPUT = 1 << 20
KILL_AFTER_S = 2
HALTED = 409
PAUSE_S = 0.1
TIMED_OUT, KILLED = 124, 137
_CHUNK = 96 * 1024
_LARGEST_SCRIPT = 1 << 20
_END = b"immtf-lab-end"

_RUN = f"""\
d=$(mktemp -d /run/lab-job.XXXXXX) || exit 71
limit=$1; shift
printf %s "$@" | base64 -d >"$d/script"
first=$(head -c 512 "$d/script" | head -n 1)
case "$first" in "#!"*) with=${{first#??}} ;; *) with=/bin/sh ;; esac
timeout --kill-after={KILL_AFTER_S} "$limit" $with "$d/script" </dev/null >"$d/out" 2>"$d/err"
code=$?
echo "$code $(head -c {LARGEST_OUTPUT} "$d/out" | wc -c) $(head -c {LARGEST_OUTPUT} "$d/err" | wc -c)"
head -c {LARGEST_OUTPUT} "$d/out"
head -c {LARGEST_OUTPUT} "$d/err"
rm -rf "$d"
printf {_END.decode()}
"""


def command(script: str, timeout_s: float) -> list[str]:
    """Return the argv for the guest that carries `script` out within `timeout_s` seconds. Too long a script: `RuntimeFailed`."""
    data = script.encode()
    if len(data) > _LARGEST_SCRIPT:
        raise RuntimeFailed(f"a script of {len(data)} bytes is more than the lab takes ({_LARGEST_SCRIPT})")
    return ["/bin/sh", "-c", _RUN, "lab", f"{max(timeout_s, 0.01):g}", *_chunks(base64.b64encode(data).decode())]


def _chunks(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CHUNK):
        yield text[start : start + _CHUNK]


def read(answer: bytes, *, limit_s: float, took_s: float) -> Executed:
    """Read what `command` printed; one that isn't whole: `RuntimeFailed`. A command that had to be killed has exit code 124 too."""
    head, _, rest = answer.partition(b"\n")
    fields = head.split()
    if not answer.endswith(_END) or len(fields) != 3 or not all(field.isdigit() for field in fields):  # noqa: PLR2004 - as `_RUN` prints them
        raise RuntimeFailed("the guest gave no whole answer to a command: it was stopped meanwhile, or is no Linux that knows the tools")
    code, out, err = map(int, fields)
    if code == KILLED and took_s >= limit_s:
        code = TIMED_OUT
    stdout, stderr = rest[:out], rest[out : out + err]
    return Executed(code, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def carry_out(client: Any, container_id: str, argv: Sequence[str]) -> tuple[int | None, bytes]:
    """Run argv in a container as root; its exit code (None if it isn't known) and its stdout. One that is halted is waited for."""
    while True:
        try:
            made = client.api.exec_create(container_id, list(argv), stdout=True, stderr=False, user="root")["Id"]
            answer = client.api.exec_start(made)
        except docker.errors.APIError as error:
            if error.status_code != HALTED or "paused" not in str(error):
                raise
            time.sleep(PAUSE_S)
        else:
            return client.api.exec_inspect(made)["ExitCode"], answer
