"""What a test that was killed (SIGKILL, a machine that went down) left behind, and the lock by which that is known.

A test with a name of its own holds a lock in the directory of its lab or environment as long as it lives. Whoever comes next takes down
the labs whose lock nobody holds, and their containers: nothing in a lab is worth keeping, and the logs stay. An environment on AWS is
told, with the command that destroys it: that is for a person to say.
"""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import rich_click as click

from immtf.errors import ImmtfError, UsageError
from immtf.plan.sweep import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.app.target import Target
    from immtf.model.reaping import Record

LOCK, RECORD = "test.lock", "environment.json"  # as in `immtf.adapters.records`, which is too heavy for a command that only looks
TETHERS = "environments/*/tether"
CONTAINERS_S = 10.0


@contextmanager
def of_a_test(home: Path, lab: Path) -> Iterator[None]:
    """Sweep what dead tests left in this home, then let others know that the test of this lab lives, while the body runs."""
    from immtf.adapters import tether

    sweep_labs(home)
    with tether.held(lab / LOCK):
        yield


@contextmanager
def environment_of_a_test(target: Target, block: Path) -> Iterator[None]:
    """Tell which environments dead tests left, then let others know that the test of this environment lives, while the body runs."""
    from immtf.adapters import tether

    tell_left(target.home)
    with tether.held(target.home / "environments" / target.environment / LOCK, says=str(block.resolve())):
        yield


def with_test_tags(target: Target) -> Target:
    """Return the target with the tags of the test whose environment it is, by its record: what any command makes in it bears them."""
    from immtf.plan.reaping import tags_of

    record = _record(_record_file(target))
    return replace(target, tags={**target.tags, **tags_of(record)}) if record else target


def refuse_of_a_test(target: Target) -> None:
    """Refuse to make blocks in an environment that a person named while a test has it: they would go when its time is over.

    In one whose name a test made up, as `--keep-on-failure` leaves it, that is what everybody expects.
    """
    record = _record(_record_file(target))
    if record is None or not record.expires or GENERATED.fullmatch(target.environment):
        return
    raise UsageError(
        f"a test has the environment {target.environment} until {record.expires}, and what is made there now would be removed with it",
        where=str(_record_file(target)),
        next="name another environment, or wait for the test's end; what a killed one left goes by `immtf reap`",
    )


def is_kept(directory: Path) -> bool:
    """Return whether the test whose record is in a directory failed, and was told to leave its environment as it is."""
    record = _record(directory / RECORD)
    return record is not None and record.kept


def _record_file(target: Target) -> Path:
    kind = "labs" if target.cloud == "lab" else "environments"
    return target.home / kind / target.environment / RECORD


def _record(path: Path) -> Record | None:
    """Return a record; None where there is none, or one that can't be read: whoever needs it says so."""
    from immtf.plan.reaping import read_record

    try:
        return read_record(path.read_text())
    except (OSError, ValueError):
        return None


def sweep_labs(home: Path) -> None:
    """Take down the labs of tests that were killed. What can't be taken down is told and left for the next."""
    from immtf.adapters import tether
    from immtf.lab import client

    for lock in sorted((home / "labs").glob(f"t-*/{LOCK}")):
        with tether.of_the_dead(lock) as dead:  # held meanwhile: a test that begins this very moment doesn't lose its lab
            if not dead:
                continue
            try:
                sweep_containers(home, lock.parent)
                was_up = client.down(lock.parent)
                lock.unlink(missing_ok=True)
            except (ImmtfError, OSError) as error:
                click.echo(f"immtf: lab {lock.parent.name} of a test that was killed is left: {error}", err=True)
                continue
        if was_up:
            click.echo(f"took down lab {lock.parent.name} of a test that was killed; its logs: {lock.parent / 'logs'}", err=True)


def sweep_containers(home: Path, lab: Path) -> None:
    """Remove the containers of previous versions that work in a lab for runs that are dead. No engine is asked where there were none."""
    from immtf.adapters import tether

    left = [path for path in lab.glob(TETHERS) if not tether.is_held(path)]
    if not left:
        return
    from immtf.adapters.docker import DockerEngine, connect
    from immtf.app.previous import sweep

    with DockerEngine(connect(os.environ)) as engine:
        sweep(engine, home, lambda text: click.echo(text, err=True), limit_s=CONTAINERS_S)
    for path in left:
        path.unlink(missing_ok=True)


def tell_left(home: Path) -> None:
    """Tell of environments on AWS that tests left that were killed, each with the command that destroys it.

    That names the block that the test was of, which its lock says; one that says nothing yet is just being taken.
    """
    from immtf.adapters import tether

    with suppress(OSError):
        for lock in sorted((home / "environments").glob(f"t-*/{LOCK}")):
            if not tether.is_held(lock) and (of := lock.read_text(errors="surrogateescape")):
                command = shlex.join(["immtf", "destroy", of, "--environment", lock.parent.name, "--yes", f"--home={home}"])
                click.echo(f"environment {lock.parent.name} was left by a test that was killed: `{command}`", err=True)


def settled(home: Path, environment: str) -> None:
    """Take it that what a killed test left of an environment was destroyed: it is told no more."""
    from immtf.adapters import tether

    lock = home / "environments" / environment / LOCK
    with tether.of_the_dead(lock) as dead:
        if dead:
            lock.unlink(missing_ok=True)


def labs_over(home: Path, now: float) -> list[tuple[Path, str]]:
    """Return the directories of the labs of tests that are over, each with why: its test is dead, or its time is past."""
    from immtf.adapters import tether
    from immtf.plan.reaping import fate_of_record

    found = []
    for directory in sorted(path for path in (home / "labs").glob("t-*") if path.is_dir()):
        lock, record = directory / LOCK, _record(directory / RECORD)
        running = tether.is_held(lock)
        if lock.exists() and not running:
            found.append((directory, "its test was killed"))
        elif record is not None and (fate := fate_of_record(record, now, running=running)).goes:
            found.append((directory, fate.why))
    return found


def take_down(home: Path, directory: Path) -> None:
    """Take down a lab that is over, with its containers, and remove its record; the logs stay. Raises `ImmtfError` where it can't be."""
    from immtf.lab import client

    sweep_containers(home, directory)
    client.down(directory)
    shutil.rmtree(directory / "environments", ignore_errors=True)  # states of a cloud that is no more
    for name in (LOCK, RECORD):
        (directory / name).unlink(missing_ok=True)
