"""The argument lists of every Terraform command that immtf runs. Pure, and the only place that knows options.

Arguments are items of a list and never pass a shell, so addresses with quotes, brackets and `$()` stand in them as they are.
Nothing secret is in here: variables travel in a file. OpenTofu takes all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_QUIET = ("-input=false", "-no-color")


def version() -> tuple[str, ...]:
    """Tell the version as JSON."""
    return ("version", "-json")


def init(*, upgrade: bool, lock_s: float, reconfigure: bool = False) -> tuple[str, ...]:
    """Fetch providers and modules; `upgrade` may choose newer ones than the lock file names.

    `reconfigure` takes the backend as it is configured now, whatever it was; no state is moved, and nothing is asked.
    """
    return ("init", *_QUIET, _lock(lock_s), *(("-upgrade",) if upgrade else ()), *(("-reconfigure",) if reconfigure else ()))


def plan(
    out: Path,
    *,
    variables: Path | None,
    targets: Sequence[str],
    destroy: bool,
    refresh: bool,
    lock_s: float,
    records: bool = False,
) -> tuple[str, ...]:
    """Make a plan into the file `out`: exit 0 for no change, 2 for changes, 1 for an error.

    One that only `records` ends with 0 where all it has are moves (measured); applied, it records them all the same.
    """
    return (
        "plan",
        *_QUIET,
        "-json",
        "-detailed-exitcode",
        _lock(lock_s),
        f"-out={out}",
        *((f"-var-file={variables}",) if variables is not None else ()),
        *(("-destroy",) if destroy else ()),
        *(("-refresh-only",) if records else ()),
        *(() if refresh else ("-refresh=false",)),
        *(f"-target={address}" for address in targets),
    )


def apply(plan_file: Path, *, lock_s: float) -> tuple[str, ...]:
    """Apply a saved plan; its variables and targets are in it."""
    return ("apply", *_QUIET, "-json", _lock(lock_s), str(plan_file))


def show(plan_file: Path | None = None) -> tuple[str, ...]:
    """Tell a saved plan, or the state, as JSON."""
    return ("show", "-no-color", "-json", *((str(plan_file),) if plan_file is not None else ()))


def untaint(address: str, *, lock_s: float) -> tuple[str, ...]:
    """Take the mark from an object that would be replaced only because its creation was interrupted."""
    return ("untaint", "-no-color", _lock(lock_s), address)


def import_object(address: str, identity: str, *, variables: Path | None, lock_s: float) -> tuple[str, ...]:
    """Take an object that exists into the state under an address of the configuration."""
    files = (f"-var-file={variables}",) if variables is not None else ()
    return ("import", *_QUIET, _lock(lock_s), *files, address, identity)


def state_rm(address: str, *, lock_s: float) -> tuple[str, ...]:
    """Take an object out of the state, and leave it in the world."""
    return ("state", "rm", _lock(lock_s), address)


def state_pull() -> tuple[str, ...]:
    """Tell the state as it is kept, sensitive values and all; nothing where there is none yet."""
    return ("state", "pull", "-no-color")


def state_push(file: Path, *, lock_s: float) -> tuple[str, ...]:
    """Put a state file that Terraform left on this machine where the state belongs."""
    return ("state", "push", "-no-color", _lock(lock_s), str(file))


def _lock(seconds: float) -> str:
    return f"-lock-timeout={seconds:g}s"
