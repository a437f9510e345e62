"""The adapter: Terraform or OpenTofu on one root module, with real children.

What is applied is what was judged: `plan` makes a file and tells what is in it, `apply` takes that very file and no other. Before each
of the two the ground is looked at: children of a killed run are waited for, a state that could not be saved is saved first, one that
a kill left empty is not built upon. A copy of the state is kept before each apply. A failed plan is an error and never "changes".
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from immtf.adapters.terraform import argv, localstate
from immtf.adapters.terraform.copies import Copies
from immtf.adapters.terraform.earlier import await_earlier, tell_hidden
from immtf.adapters.terraform.environment import child_environment
from immtf.adapters.terraform.failures import RunFailed
from immtf.adapters.terraform.moved import moved, recorded
from immtf.adapters.terraform.runs import Runner, TerraformLimits, new_file, sweep
from immtf.adapters.terraform.stream import TerraformEvent
from immtf.adapters.terraform.unsaved import Unsaved, tell
from immtf.adapters.terraform.variables import variables_file
from immtf.adapters.terraform.writers import refuse_newer, writer
from immtf.errors import ImmtfError
from immtf.model.layout import NOTHING_HELD
from immtf.plan.changes import parse_plan, parse_state
from immtf.run.ports import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from immtf.adapters.terraform.runs import TerraformRun
    from immtf.model.layout import Held
    from immtf.model.terraform import PlanData, StateData
    from immtf.run.ports import Watching

_CHANGES = 2  # of -detailed-exitcode


class Cancel(Protocol):
    """Whether a person or the machine asked the run to end."""

    def is_set(self) -> bool:
        """Return whether to stop at the next safe point."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan in a file (mode 0600, it holds secrets) and what it says. `serial` is the state's, where the state is a local file."""

    path: Path
    changed: bool
    data: PlanData
    targets: tuple[str, ...] = ()
    serial: int | None = None


class TerraformCli:
    """Terraform on one root module, for one thread; `interrupt` may be called from any."""

    def __init__(  # noqa: PLR0913 - wiring
        self,
        *,
        root: Path,
        environment: Mapping[str, str],
        scratch: Path,
        listen: Callable[[TerraformEvent], None],
        cancel: Cancel,
        binary: Path | str = "terraform",
        variables: Mapping[str, Any] | None = None,
        limits: TerraformLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        stored: Callable[[], str] = str,
        guard: Callable[[], None] = lambda: None,
        reconfigure: bool = False,
    ) -> None:
        """Wire an adapter; nothing is run yet.

        `environment` is complete: nothing of this process' own is added. `variables` are handed over in a file of mode 0600 that exists
        while a plan is made. `cancel` ends the waiting for an earlier run and nothing else: a plan or an apply in progress is ended
        by `interrupt` only. `stored` reads a state that is kept elsewhere as it stands there, "" where that can't be done. `guard` raises
        where this process may not save what an earlier one left unsaved. `reconfigure` as for `argv.init`.
        """
        self._root = root.resolve()
        self._environment, self._left_out = child_environment(environment)
        self._variables = dict(variables or {})
        self._scratch = scratch.resolve()
        self._listen = listen
        self._cancel = cancel
        self._limits = limits or TerraformLimits()
        self._sleep, self._monotonic = sleep, monotonic
        self._stored = stored
        self._reconfigure = reconfigure
        self._runner = Runner(
            binary=str(binary),
            root=self._root,
            environment=self._environment,
            scratch=self._scratch,
            listen=listen,
            patience_s=self._limits.patience_s,
        )
        self._copies = Copies(self._scratch, self._root, self._environment.get("TF_WORKSPACE", ""))
        self._unsaved = Unsaved(
            root=self._root,
            program=self._runner.program,
            lock_s=self._limits.lock_s,
            run=self._quick,
            listen=listen,
            sleep=sleep,
            cancelled=cancel.is_set,
            before=self._copies.newest,
            guard=guard,
            aside=self._copies,
        )
        self._version = ""
        self.copy: Path | None = None

    @property
    def root(self) -> Path:
        """The root module's directory."""
        return self._root

    @property
    def runs(self) -> Sequence[TerraformRun]:
        """Every run that ended so far, with its duration."""
        return tuple(self._runner.runs)

    def interrupt(self) -> None:
        """Send the run in progress its one SIGINT; it ends in order and the call that made it raises `Interrupted`."""
        self._runner.interrupt()

    def version(self) -> str:
        """Return the program's version, such as `1.11.4`, asked once. Raises `ToolMissing` where there is no such program."""
        self._version = self._version or str(self._json(argv.version()).get("terraform_version", ""))
        return self._version

    def init(self, *, upgrade: bool = False) -> None:
        """Fetch providers and modules, set up the backend. Raises `ToolMissing` where the state was written by a newer Terraform."""
        self._await_earlier()
        tell_hidden(self._listen)
        self._refuse_newer()
        before = recorded(self._root, self._environment)
        command = argv.init(upgrade=upgrade, lock_s=self._limits.lock_s, reconfigure=self._reconfigure)
        self._runner.run(command, limit_s=self._limits.init_s, interruptible=True)
        if self._reconfigure and (told := moved(before, recorded(self._root, self._environment))):
            self._listen(TerraformEvent("note", told))
        self._refuse_newer(initialised=True)  # only now it is known for sure where the state is

    def plan(
        self,
        *,
        targets: Sequence[str] = (),
        destroy: bool = False,
        refresh: bool = True,
        records: bool = False,
        held: Mapping[str, Held] = NOTHING_HELD,
    ) -> SavedPlan:
        """Make a plan into a file and read it back; with `records` one that changes the state only, never the world.

        What is `held` is handed over in the variable of that name, for this plan alone.

        Raises `StateLocked`, `RunFailed` or `Interrupted`; an error is never read as a change, nor a plan with errors as a plan.
        """
        self._clear_the_ground()
        out = new_file(self._scratch, "plan")
        try:
            return self._plan_into(out, tuple(targets), held, destroy=destroy, refresh=refresh, records=records)
        except BaseException:
            out.unlink(missing_ok=True)
            raise

    def apply(self, saved: SavedPlan, watch: Watching = nobody) -> None:
        """Apply that very file, which is then removed: it can't be applied twice.

        A copy of the state is kept first (`copy`). `watch` is called about ten times a second while it lasts. Raises `StalePlan` where the state moved since, `StateUnsaved` where it could not be
        saved afterwards, not by pushing it again either, else as `plan`.
        """
        self._clear_the_ground()
        self._keep_copy()
        command = argv.apply(saved.path, lock_s=self._limits.lock_s)
        try:
            self._runner.run(command, limit_s=self._limits.apply_s, stream=True, interruptible=True, watch=watch)
        except ImmtfError as error:
            if not self._unsaved.save_after(error):
                raise
        finally:
            self.discard(saved)

    def discard(self, saved: SavedPlan) -> None:
        """Remove a plan's file. May be repeated."""
        saved.path.unlink(missing_ok=True)

    def close(self, *, ended_well: bool = False) -> None:
        """Remove this process' files from the scratch directory; where the run `ended_well`, copies of a state kept elsewhere as well."""
        for path in self._scratch.glob(f"immtf-{os.getpid()}-*"):
            path.unlink(missing_ok=True)
        if ended_well:
            self._copies.remove()
            self._unsaved.forget()

    def state(self) -> StateData:
        """Return the state, sensitive values masked."""
        return parse_state(self._json(argv.show()), serial=localstate.serial(self._state_file()))

    def untaint(self, address: str) -> None:
        """Keep an object that the next plan would replace only because its creation was interrupted."""
        self._await_earlier()
        self._quick(argv.untaint(address, lock_s=self._limits.lock_s))

    def forget(self, address: str) -> None:
        """Take an object that is gone from the world out of the state; nothing in the world changes."""
        self._await_earlier()
        self._quick(argv.state_rm(address, lock_s=self._limits.lock_s))

    def adopt(self, address: str, identity: str) -> None:
        """Take an object that exists and that the state lost into the state; nothing in the world changes."""
        self._clear_the_ground()
        with variables_file(self._scratch, self._variables) as variables:
            command = argv.import_object(address, identity, variables=variables, lock_s=self._limits.lock_s)
            self._runner.run(command, limit_s=self._limits.plan_s, interruptible=True)

    def _plan_into(self, out: Path, targets: tuple[str, ...], held: Mapping[str, Held], **how: bool) -> SavedPlan:
        with variables_file(self._scratch, self._variables, held) as variables:
            command = argv.plan(out, variables=variables, targets=targets, lock_s=self._limits.lock_s, **how)
            done = self._runner.run(command, limit_s=self._limits.plan_s, stream=True, interruptible=True, fine=frozenset({0, _CHANGES}))
        data = parse_plan(self._json(argv.show(out)))
        if data.errored:
            raise RunFailed("the plan was made with errors and can't be applied", where=str(self._root), command="plan")
        return SavedPlan(out, done.exit_code == _CHANGES, data, targets, localstate.serial(self._state_file()))

    def _quick(self, command: tuple[str, ...]) -> str:
        """Run a command that has little to do but to wait for the lock; return its output."""
        return self._runner.run(command, limit_s=self._limits.show_s + self._limits.lock_s).stdout

    def _json(self, command: tuple[str, ...]) -> dict[str, Any]:
        said = self._runner.run(command, limit_s=self._limits.show_s).stdout
        try:
            document = json.loads(said)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RunFailed(f"{self._runner.program} {command[0]} did not answer with JSON", where=str(self._root), command=command[0])
        return document

    def _clear_the_ground(self) -> None:
        """Make sure that a plan or an apply may begin: see the module's docstring."""
        self._await_earlier()
        self._unsaved.settle()
        state = self._state_file()
        if state is not None and localstate.mend_empty(state):
            self._listen(TerraformEvent("note", f"{state} was empty after a killed apply; the copy from before that apply was put back"))

    def _keep_copy(self) -> None:
        """Copy the state as it is before an apply: beside it where it is a file here, else into the scratch directory."""
        state = self._state_file()
        if state is not None:
            self.copy = localstate.keep_copy(state)
            return
        text = self._quick(argv.state_pull())
        told = tell(text)
        self.copy = self._copies.keep(text, told.serial) if told.lineage else None

    def _refuse_newer(self, *, initialised: bool = False) -> None:
        state, text = self._state_file(), ""
        if state is not None:
            text = state.read_text(errors="replace") if state.exists() else ""
        elif initialised:
            try:
                text = self._stored()
            except ImmtfError as error:
                self._listen(TerraformEvent("note", f"who wrote the state could not be looked at: {error.what}"))
        if written_by := writer(text):
            refuse_newer(written_by, self.version(), program=self._runner.program, where=state or self._root)

    def _await_earlier(self) -> None:
        self._tell_left_out()
        await_earlier(
            self._root,
            limit_s=self._limits.earlier_s,
            listen=self._listen,
            cancelled=self._cancel.is_set,
            sleep=self._sleep,
            monotonic=self._monotonic,
            programs=tuple({"terraform", "tofu", self._runner.program}),
        )
        sweep(self._scratch)

    def _state_file(self) -> Path | None:
        return localstate.state_file(self._root, self._environment)

    def _tell_left_out(self) -> None:
        if self._left_out:
            names = ", ".join(self._left_out)
            self._listen(TerraformEvent("note", f"{names} not handed on: options in them would change the plan that is judged"))
            self._left_out = ()
