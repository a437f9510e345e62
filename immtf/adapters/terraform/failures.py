"""What a failed Terraform run means: which error, in which words, with which next command. Pure.

A failure always has an owner: the command, the place in the configuration or the object, and Terraform's own words. A bare
"exit status 1" is never passed on; where Terraform said nothing, the end of its output is shown.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.adapters.process import Ending
from immtf.errors import Interrupted, StalePlan, TerraformFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from immtf.adapters.process import Finished
    from immtf.adapters.terraform.diagnostics import Diagnostic
    from immtf.errors import ImmtfError

_LOCK_FIELD = re.compile(r"^\s*(ID|Who|Created|Operation|Path):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_INIT_NEEDED = re.compile(
    r"initialization required|please run \"?(terraform|tofu) init|Module not installed|Inconsistent dependency lock file"
    r"|Missing required provider|Required plugins are not installed|not yet installed",
    re.IGNORECASE,
)


class RunFailed(TerraformFailed):
    """A Terraform command failed; `status` is Terraform's exit code, `diagnostics` what it said, errors and warnings."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        next: str = "",  # noqa: A002 - the field's name in every reader
        command: str = "",
        status: int = 1,
        diagnostics: Sequence[Diagnostic] = (),
    ) -> None:
        """Keep the fields."""
        super().__init__(what, where=where, next=next)
        self.command = command
        self.status = status
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a state's lock, in Terraform's words; a field it didn't tell is empty."""

    id: str = ""
    who: str = ""
    created: str = ""
    operation: str = ""
    path: str = ""


class StateLocked(RunFailed):
    """Somebody else holds the state's lock; `lock` says who and since when. Nothing was touched."""

    lock: Lock = Lock()


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, as the parts of an error need it. `program` is what was run, `tail` the end of its output."""

    program: str
    command: str
    root: Path
    finished: Finished
    limit_s: float
    diagnostics: tuple[Diagnostic, ...] = ()
    tail: str = ""


def failure(ended: Ended) -> ImmtfError:
    """Return the error that says what happened; the caller raises it."""
    errors = [diagnostic for diagnostic in ended.diagnostics if diagnostic.severity == "error"]
    summaries = " ".join(f"{error.summary} {error.detail}" for error in errors)
    if ended.finished.late:
        return _failed(ended, errors, f"did not end within {ended.limit_s:g} s and was ended {_ending(ended.finished)}")
    if ended.finished.ending is Ending.INTERRUPTED:
        return _interrupted(ended, errors)
    if "Saved plan is stale" in summaries:
        return StalePlan(
            "the saved plan is stale: the state was changed after it was made", where=str(ended.root), next="plan and judge again"
        )
    if "acquiring the state lock" in summaries:
        return _locked(ended, errors)
    if _INIT_NEEDED.search(summaries):
        return _failed(ended, errors, "failed", next_=_chdir(ended, "init"))
    return _failed(ended, errors, "failed")


def parse_lock(text: str) -> Lock:
    """Return the lock's holder as told in a diagnostic."""
    found = {name.lower(): value for name, value in _LOCK_FIELD.findall(text)}
    return Lock(**{name: found.get(name, "") for name in ("id", "who", "created", "operation", "path")})


def _interrupted(ended: Ended, errors: Sequence[Diagnostic]) -> Interrupted:
    said = "\n".join(str(error) for error in errors)
    return Interrupted(
        f"{_name(ended)} got one interrupt and ended after {ended.finished.seconds:.0f} s" + (f":\n{_indented(said)}" if said else ""),
        where=str(ended.root),
        next="run the same command again: it goes on from what is there",
    )


def _locked(ended: Ended, errors: Sequence[Diagnostic]) -> StateLocked:
    lock = next((lock for lock in (parse_lock(error.detail) for error in errors) if lock.id), Lock())
    holder = f"{lock.who or 'somebody who is not named'} since {lock.created or 'an unknown time'}"
    operation = lock.operation.removeprefix("OperationType").lower()
    error = StateLocked(
        f"the state is locked by {holder}" + (f" for {operation}" if operation else "") + (f" (lock {lock.id})" if lock.id else ""),
        where=str(ended.root),
        next="wait until that run has ended; if it is surely dead: " + _chdir(ended, f"force-unlock {lock.id or 'ID'}"),
        command=ended.command,
        status=ended.finished.exit_code,
        diagnostics=ended.diagnostics,
    )
    error.lock = lock
    return error


def _failed(ended: Ended, errors: Sequence[Diagnostic], how: str, *, next_: str = "") -> RunFailed:
    said = "\n".join(str(error) for error in errors) or ended.tail.strip()
    first = next((error for error in errors if error.file), None)
    return RunFailed(
        f"{_name(ended)} {how}" + (f":\n{_indented(said)}" if said else f" with exit code {ended.finished.exit_code} and said nothing"),
        where=f"{ended.root / first.file}:{first.line}" if first else str(ended.root),
        next=next_ or "mend what is named above, then run the same command again",
        command=ended.command,
        status=ended.finished.exit_code,
        diagnostics=ended.diagnostics,
    )


def _ending(finished: Finished) -> str:
    if finished.ending is Ending.KILLED:
        return "by SIGKILL, as one interrupt did not end it: the state may lack what it had begun, and its lock may be left"
    return "by one interrupt, after which it saved its state"


def _name(ended: Ended) -> str:
    return f"{ended.program} {ended.command}"


def _chdir(ended: Ended, command: str) -> str:
    return f"{ended.program} -chdir={shlex.quote(str(ended.root))} {command}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
