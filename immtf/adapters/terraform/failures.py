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
from immtf.errors import ExitCode, Interrupted, StalePlan, TerraformFailed, TerraformStuck
from immtf.plan.faults import LATER, RENEW, Fault, code_in, fault_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from immtf.adapters.process import Finished
    from immtf.adapters.terraform.diagnostics import Diagnostic
    from immtf.errors import ImmtfError

_LOCK_FIELD = re.compile(r"^\s*(ID|Who|Created|Operation|Path):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_HELD = re.compile(r"already locked: ID=(\S+)")
_MAY_LACK = "the state may lack what it had begun, and its lock may be left"
_INIT_NEEDED = re.compile(
    r"initialization required|please run \"?(terraform|tofu) init|Module not installed|Inconsistent dependency lock file"
    r"|Missing required provider|Required plugins are not installed|not yet installed",
    re.IGNORECASE,
)
_NEXT: dict[Fault | None, str] = {
    Fault.CREDENTIALS: RENEW,
    Fault.THROTTLED: f"AWS throttles this account's calls: {LATER}",
    Fault.BROKEN: f"AWS has a fault of its own: {LATER}",
}


class RunFailed(TerraformFailed):
    """A Terraform command failed; `status` is Terraform's exit code, `diagnostics` what it said, errors and warnings.

    `code` is the cloud's own word in them, where the cloud refused something.
    """

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
        said = " ".join(f"{item.summary} {item.detail}" for item in diagnostics if item.severity == "error")
        super().__init__(what, code=code_in(said), where=where, next=next)
        self.command = command
        self.status = status
        self.diagnostics = tuple(diagnostics)


class CredentialsRefusedByRun(RunFailed, TerraformStuck):
    """The cloud takes no call of Terraform's with the credentials that are there."""

    exit_code = ExitCode.PERSON_NEEDED


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a state's lock, in Terraform's words; a field it didn't tell is empty."""

    id: str = ""
    who: str = ""
    created: str = ""
    operation: str = ""
    path: str = ""


class StateLocked(RunFailed, TerraformStuck):
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
        return _failed(ended, errors, "failed", _chdir(ended, "init"))
    return _failed(ended, errors, *_by_whom(ended.finished.exit_code))


def _by_whom(exit_code: int) -> tuple[str, str]:
    """Return how a run failed and what is next, "" for what the failure itself says: by its own word, or by somebody's signal."""
    if exit_code >= 0:
        return "failed", ""
    return (
        f"was ended by signal {-exit_code}, not by immtf: {_MAY_LACK}",
        "`immtf again` goes on from what it finds, or names a lock that is left",
    )


def parse_lock(text: str) -> Lock:
    """Return the lock's holder as told in a diagnostic.

    The `http` backend tells the record of whoever asks and not of the holder, of whom it names the id only: no more is taken from it.
    """
    found = {name.lower(): value for name, value in _LOCK_FIELD.findall(text)}
    held = _HELD.search(text)
    if held and held[1] != found.get("id"):
        return Lock(id=held[1])
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


def _failed(ended: Ended, errors: Sequence[Diagnostic], how: str, next_: str = "") -> RunFailed:
    said = "\n".join(str(error) for error in errors) or ended.tail.strip()
    first = next((error for error in errors if error.file), None)
    fault = fault_of(code_in(said)) if errors else None
    kind = CredentialsRefusedByRun if fault is Fault.CREDENTIALS else RunFailed
    error = kind(
        f"{_name(ended)} {how}" + (f":\n{_indented(said)}" if said else f" with exit code {ended.finished.exit_code} and said nothing"),
        where=f"{ended.root / first.file}:{first.line}" if first else str(ended.root),
        next=next_ or _NEXT.get(fault, "mend what is named above, then run the same command again"),
        command=ended.command,
        status=ended.finished.exit_code,
        diagnostics=ended.diagnostics,
    )
    if ended.finished.late or ended.finished.exit_code < 0:
        error.code = ""  # it was ended in the midst of its work: what it was refused before isn't all that happened
    return error


def _ending(finished: Finished) -> str:
    if finished.ending is Ending.KILLED:
        return f"by SIGKILL, as one interrupt did not end it: {_MAY_LACK}"
    return "by one interrupt, after which it saved its state"


def _name(ended: Ended) -> str:
    return f"{ended.program} {ended.command}"


def _chdir(ended: Ended, command: str) -> str:
    return f"{ended.program} -chdir={shlex.quote(str(ended.root))} {command}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
