"""The lab as commands see it: `up` starts one or finds it, `find` looks, `down` ends it. No import here is heavy.

One lab per directory: a lock makes starts, ends and clearances wait for one another. A lab is alive when its controller holds its lock and
answers with the token of its record; neither a pid that someone else has by now nor a file that was left behind passes for it.
What a dead lab left (guests, disks) is cleared at the next `up` or `down`, and said; its logs are kept for one lab more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import immtf
from immtf.errors import LabFailed
from immtf.lab.found import Lab
from immtf.lab.guest.home import LAB_MARK
from immtf.lab.guest.processes import kill_until_gone, marked
from immtf.lab.place import LOCK_PAUSE_S, Place, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Lab", "down", "find", "up"]

READY = b"ready\n"
DOCKER = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
KEPT = ("HOME", "TMPDIR", "TZ", "PYTHONDONTWRITEBYTECODE", "IMMTF_LAB_VOLUMES", *DOCKER)
DOWN_LIMIT_S = 60.0
DOWN_ANSWER_LIMIT_S = 5.0
DOCKER_START_LIMIT_S = 180.0
DOCKER_DOWN_LIMIT_S = 300.0
NEEDED = ("moto", "werkzeug", "flask", "flask_cors")


def find(directory: Path) -> Lab | None:
    """Look for the lab that lives in a directory; None if none does. It isn't asked anything."""
    place = Place(directory.resolve())
    if not place.is_held() or (record := place.read()) is None:
        return None
    return Lab.of(place.directory, record)


def up(
    directory: Path,
    *,
    path: Sequence[Path],
    delays: str = "none",
    runtime: str = "process",
    timeout_s: float = 30.0,
    environment: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _text: None,
) -> Lab:
    """Give the lab of a directory, started if it isn't there.

    `path` are the directories with the guests' programs, before the PATH of `environment` (default: this process's); `delays` is
    `none` or `aws`; `runtime` is `process` or `docker`. Can't be started, or not within `timeout_s` seconds, or there is a lab with the
    other runtime: `LabFailed`. `progress` is told of what takes long.
    """
    _check_machine(NEEDED if runtime == "process" else (*NEEDED, "docker"))
    environment = os.environ if environment is None else environment
    place = Place(directory.resolve())
    if runtime == "docker":
        from immtf.lab.docker.ready import prepare

        prepare(environment, progress)
        timeout_s = max(timeout_s, DOCKER_START_LIMIT_S)
    with _alone(place, timeout_s):
        if (lab := _settled(place, timeout_s)) is not None:
            lab.status()
            return _of_runtime(lab, runtime)
        cleared = _clear(place)
        arguments = ["--directory", str(place.directory), "--delays", delays, "--runtime", runtime]
        _start(place, arguments, timeout_s, controller_environment(path, environment))
        lab = find(directory)
    if lab is None:
        raise LabFailed("the controller ended as soon as it was there", where=str(place.log), next=f"read {place.log}")
    return replace(lab, started=True, cleared=cleared)


def down(directory: Path) -> bool:
    """End the lab of a directory with all that runs in it, or clear what a dead one left; False if there was neither."""
    if not directory.is_dir():
        return False
    place = Place(directory.resolve())
    with _alone(place, DOWN_LIMIT_S):
        lab = _settled(place, DOWN_LIMIT_S)
        if lab is None:
            return bool(_clear(place, keep_logs=True))
        _end(lab)
        try:
            with held(place.controller_lock, DOCKER_DOWN_LIMIT_S if lab.runtime == "docker" else DOWN_LIMIT_S, time.monotonic, time.sleep):
                pass
        except TimeoutError:
            raise LabFailed(f"the controller (pid {lab.pid}) does not end", where=str(place.log), next=f"kill -9 {lab.pid}") from None
        _clear(place, keep_logs=True)
    return True


def _end(lab: Lab) -> None:
    """Tell a controller to end, or kill one that doesn't listen: as it holds its lock, the pid in its record is its own.

    Unless it lives in a container: there the number is another's here.
    """
    try:
        lab.ask("POST", "down", limit_s=DOWN_ANSWER_LIMIT_S)
    except LabFailed:
        if is_controller(lab.pid, lab.directory):
            with suppress(ProcessLookupError):
                os.kill(lab.pid, signal.SIGKILL)


def is_controller(pid: int, directory: Path) -> bool:
    """Return whether a process here is the controller of the lab in this directory, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"immtf.lab.controller" in words and os.fsencode(directory.resolve()) in words


@contextmanager
def _alone(place: Place, limit_s: float) -> Iterator[None]:
    try:
        with held(place.up_lock, limit_s, time.monotonic, time.sleep):
            yield
    except TimeoutError:
        raise LabFailed(
            f"another command has been starting or ending this lab for {limit_s:g} s",
            where=str(place.up_lock),
            next=f"see who holds it: fuser {place.up_lock}",
        ) from None


def _of_runtime(lab: Lab, runtime: str) -> Lab:
    """Give the lab if it has the runtime that is wanted: what runs in it was made for that one."""
    if lab.runtime != runtime:
        raise LabFailed(
            f"this lab runs with runtime {lab.runtime}, not with {runtime}",
            where=str(lab.directory),
            next=f"use it as it is: --lab-runtime {lab.runtime}; or take it down: immtf lab down --name {lab.directory.name}",
        )
    return lab


def _check_machine(needed: Sequence[str]) -> None:
    """Say what the lab lacks here before anything is started."""
    if not sys.platform.startswith("linux"):
        raise LabFailed(f"the lab runs on Linux, not on {sys.platform}", next="run immtf in its container")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise LabFailed(f"not installed: {', '.join(missing)}", where=sys.prefix, next="pip install 'immtf[lab]'")


def _settled(place: Place, limit_s: float) -> Lab | None:
    """Give the lab that lives here, or None. A controller without a record is just starting or just ending: wait which it is."""
    deadline = time.monotonic() + limit_s
    while place.is_held():
        if (lab := find(place.directory)) is not None:
            return lab
        if time.monotonic() >= deadline:
            raise LabFailed(
                f"a controller lives here and has said for {limit_s:g} s neither where it answers nor that it ended",
                where=str(place.log),
                next=f"end it: fuser -k -KILL {place.controller_lock}",
            )
        time.sleep(LOCK_PAUSE_S)
    return None


def _clear(place: Place, *, keep_logs: bool = False) -> tuple[str, ...]:
    """Take away what a lab left that is no more; what was taken, in words."""
    from immtf.lab.process.trees import remove_tree

    found: list[str] = []
    mark = (LAB_MARK, str(place.directory))
    if left := marked(mark):
        found.append(f"{len(left)} processes of the guests")
        if kill_until_gone(lambda: marked(mark), time.sleep):
            raise LabFailed("processes that a dead lab left can't be killed", where=str(place.directory))
    if place.docker_note.exists():
        from immtf.lab.docker.leftovers import clear_lab

        found += clear_lab(place, os.environ)
    if place.runtime.exists():
        homes = place.runtime / "instances"
        found.append(f"the disks of {len(list(homes.iterdir())) if homes.exists() else 0} instances")
        remove_tree(place.runtime)
    place.record.unlink(missing_ok=True)
    if not keep_logs:
        remove_tree(place.environments)
        _keep_logs(place)
    return tuple(found)


def _keep_logs(place: Place) -> None:
    """Put the logs of the last lab aside, in place of those before."""
    from immtf.lab.process.trees import remove_tree

    aside = place.directory / "logs.before"
    remove_tree(aside)
    if place.logs.exists():
        place.logs.rename(aside)
    if place.log.exists():
        aside.mkdir(exist_ok=True)
        place.log.rename(aside / place.log.name)


def _start(place: Place, arguments: Sequence[str], timeout_s: float, environment: Mapping[str, str]) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as pipe, place.log.open("ab") as log:
        try:
            subprocess.run(
                [sys.executable, "-m", "immtf.lab.controller", *arguments, "--ready", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=place.directory,
                env=environment,
                pass_fds=[writer],
                start_new_session=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabFailed(f"the controller did not start within {timeout_s:g} s", where=str(place.log)) from None
        finally:
            os.close(writer)
        _await_ready(place, pipe.fileno(), timeout_s)


def _await_ready(place: Place, pipe: int, timeout_s: float) -> None:
    import select

    if not select.select([pipe], [], [], timeout_s)[0]:
        raise LabFailed(
            f"the lab does not answer after {timeout_s:g} s", where=str(place.log), next=f"read {place.log}, then: immtf lab down"
        )
    if os.read(pipe, len(READY)) != READY:
        raise LabFailed(f"the controller ended: {_last_line(place.log)}", where=str(place.log), next=f"read {place.log}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def controller_environment(path: Sequence[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """Give all that the controller finds in its environment: nothing that leads to a real cloud or a person's credentials."""
    kept = {name: environment[name] for name in KEPT if name in environment}
    modules = [str(Path(immtf.__file__).parent.parent), environment.get("PYTHONPATH", "")]
    return kept | {
        "PATH": os.pathsep.join([*(str(folder.resolve()) for folder in path), environment.get("PATH", os.defpath)]),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
