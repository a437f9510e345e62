"""A state that an apply could not save: the only one that knows what was made.

Terraform leaves it as `errored.tfstate` in the root module, and would write over it at the next failure. Right after the apply it is
pushed where it belongs, a bounded number of times with growing pauses. If that fails the file stays and the run ends. A later run
pushes it before anything else, where it may change things (`guard`), and if it is surely the next one of that very state: the same
lineage, a greater serial, and nothing kept there that the apply neither found nor made (`succession`). Anything else is refused with
both told. The file is never removed before its content is where it belongs, and no lock is broken for it.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from immtf.adapters.terraform import argv
from immtf.adapters.terraform.failures import RunFailed, StateLocked
from immtf.adapters.terraform.stream import TerraformEvent
from immtf.adapters.terraform.succession import follows
from immtf.errors import ImmtfError, TerraformStuck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "errored.tfstate"
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_ONLY_SAVING = frozenset({"Failed to save state", "Failed to persist state to backend"})


class StateUnsaved(RunFailed, TerraformStuck):
    """What an apply did is known to a file on this machine only. No further step may be taken before that file is pushed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a state says of itself. `serial` is -1 and `lineage` "" where there is no state."""

    lineage: str = ""
    serial: int = -1
    content: str = ""

    def __str__(self) -> str:
        """Write both as they stand in a message."""
        return f"lineage {self.lineage}, serial {self.serial}" if self.lineage else "no state"


class Aside(Protocol):
    """Where a second copy of the file is kept until its content is saved."""

    def keep_unsaved(self, text: str) -> Path:
        """Keep it, mode 0600, and return where. Raises `OSError`."""

    def forget_unsaved(self) -> None:
        """Remove it. May be repeated."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """The file in one root module. `run` runs a Terraform command and returns its output; `cancelled` ends the trying, not a try.

    `before` returns the copy of the state from before the last apply, "" where there is none; `guard` raises where this process may not
    write down what an earlier one left; `aside` keeps a second copy of what could not be saved.
    """

    root: Path
    program: str
    lock_s: float
    run: Callable[[tuple[str, ...]], str]
    listen: Callable[[TerraformEvent], None]
    sleep: Callable[[float], None]
    cancelled: Callable[[], bool]
    before: Callable[[], str]
    guard: Callable[[], None]
    aside: Aside

    @property
    def path(self) -> Path:
        """The file, whether it is there or not."""
        return self.root / FILE

    def save_after(self, error: ImmtfError) -> bool:
        """Push what an apply that ended with `error` left; return whether saving was all that had failed.

        False where it left nothing. Raises `StateUnsaved` where it can't be pushed.
        """
        if not self.path.exists():
            return False
        self._note(f"the state could not be saved where it belongs; it is in {self.path}, and is pushed now")
        said = [item for item in error.diagnostics if item.severity == "error"] if isinstance(error, RunFailed) else []
        only = bool(said) and all(item.summary in _ONLY_SAVING for item in said)
        self._push("" if only else error.what)
        self._note(f"the state is saved; {self._pushed.name} is a copy of it")
        return only

    def settle(self) -> None:
        """Push what an earlier run left, where it surely is the next of that state. Raises `StateUnsaved` where it isn't."""
        if not self.path.exists():
            return
        self.guard()
        texts = self.path.read_text(errors="replace"), self.run(argv.state_pull())
        left, there = tell(texts[0]), tell(texts[1])
        if left.lineage and left.lineage == there.lineage and left.content == there.content:
            self._put_away()  # pushed by a run that was killed right then
        elif left.lineage and left.lineage == there.lineage and left.serial > there.serial and follows(*texts, self.before()):
            self._note(f"an earlier apply could not save its state ({left}) and left it in {self.path}: it is pushed now, over {there}")
            self._push()
        else:
            raise StateUnsaved(
                f"an earlier apply left its state here ({left}), and it is not surely the next one of what is kept ({there})",
                where=str(self.path),
                next=f"compare the two ({self._chdir('state pull')}); if the file is the right one: {self._chdir(f'state push {FILE}')}, "
                "if it is not: move it away",
            )

    def forget(self) -> None:
        """Remove the copy of what was pushed, once nobody can want it any more: it holds secrets."""
        self._pushed.unlink(missing_ok=True)

    @property
    def _pushed(self) -> Path:
        return self.path.with_name(f"{FILE}.pushed")

    def _push(self, before: str = "") -> None:
        """Push the file, a bounded number of times; `before` is what had failed besides."""
        self.path.chmod(0o600)
        for tries, pause_s in enumerate((*PAUSES_S, 0.0), start=1):
            try:
                self.run(argv.state_push(self.path, lock_s=self.lock_s))
            except ImmtfError as error:
                if not pause_s or self.cancelled() or isinstance(error, StateLocked):  # it has waited for the lock already
                    raise self._failed(error, tries, before) from error
                self._note(f"the state could not be pushed, again in {pause_s:g} s: {error.what}")
                self.sleep(pause_s)
            else:
                self._put_away()
                return

    def _put_away(self) -> None:
        self.path.chmod(0o600)
        self.path.replace(self._pushed)
        self.aside.forget_unsaved()

    def _failed(self, error: ImmtfError, tries: int, before: str) -> StateUnsaved:
        first = f"{error.next}; then " if isinstance(error, StateLocked) else ""
        return StateUnsaved(
            f"the state could not be saved where it belongs, tried {tries} times: {error.what}\n"
            f"It is in this file, and {self._kept_aside()}; no further step was taken" + (f"\nBefore that: {before}" if before else ""),
            where=str(self.path),
            next=f"{first}{self._chdir(f'state push {FILE}')} as soon as that can be reached; `immtf again` does so before anything else",
        )

    def _kept_aside(self) -> str:
        """Keep a second copy; return where it is, in words. What can't be written is no reason to hide what happened."""
        try:
            return f"a copy of it in {self.aside.keep_unsaved(self.path.read_text(errors='replace'))}"
        except OSError:
            return "nowhere else"

    def _chdir(self, command: str) -> str:
        return f"{self.program} -chdir={shlex.quote(str(self.root))} {command}"

    def _note(self, text: str) -> None:
        self.listen(TerraformEvent("note", text))


def tell(text: str) -> Told:
    """Return what a state file says of itself; a text that is no state tells nothing."""
    try:
        document: Any = json.loads(text)
        content = {key: document.get(key) for key in ("resources", "outputs", "check_results")}
        return Told(str(document["lineage"]), int(document["serial"]), json.dumps(content, sort_keys=True))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Told()
