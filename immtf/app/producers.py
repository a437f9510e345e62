"""What a session asks of the other blocks of its environment before it touches anything, and what it takes from them.

Only where the environment's states are known (`Target.states`). Commands that make or change something are refused where a producer
doesn't fit, or where a deployed consumer wouldn't accept what comes; those that only clean up or look take what there is. Each root
module is asked once a run: a clean-up must not hang on a producer's state that can't be read any more.

Who requires a block is found by asking all that is deployed. In a run over many blocks the whole run has done that, and tells each
block's own run whom to ask (`Session.neighbours`) and, of a plan, what will be deployed by its turn.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.hcl import declared_variables, remote_states, remote_states_called, sensitive_variables
from immtf.adapters.terraform.outputs import StateReader, literal
from immtf.adapters.terraform.runs import new_file
from immtf.errors import ImmtfError, Interrupted, PlanLater
from immtf.model.environment import Deployed, Neighbours
from immtf.model.events import Noted
from immtf.plan.consumers import changes_version, judge_producer, judge_removed, judge_unlisted
from immtf.plan.needs import Reads, deployed_of, judge_needs, refuse_called, secrets_of, source_of, supply, unread
from immtf.plan.neighbours import by_then
from immtf.plan.outputs import as_state
from immtf.run.contracts import refuse_unmet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from immtf.app.session import Session
    from immtf.model.block import Block
    from immtf.model.environment import Backend, States
    from immtf.model.outputs import Outputs
    from immtf.plan.judge import Refusal

    Read = Callable[[str, Backend], Outputs]

JUDGED = frozenset({"plan", "create", "upgrade", "rollback", "test-create", "test-upgrade"})
SUPPLIED = JUDGED | {"destroy", "doctor", "repair"}  # these have Terraform plan, which needs every variable
_AT_ONCE = 8
_LONGEST = 1_000_000  # bytes of a block's file
_VARIABLE = "TF_VAR_"


@dataclass(frozen=True)
class Met:
    """What comes of it: Terraform variables, what is to stand in the override, and the required blocks that were judged.

    `later` are those of these that were judged as they will be by this block's turn, and not as they are.
    """

    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    override: Mapping[str, Any] = field(default_factory=dict, repr=False)
    known: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


def meet(session: Session, block: Block, read: Read | None = None) -> Met:
    """Look at the states of the other blocks, judge them as the command needs it, and return what they give.

    `read` reads a state; without it Terraform does. Raises `VersionsUnresolved` where a contract isn't met, `PlanRefused` where the block
    can't go as another one stands on it, `PlanLater` where a plan hangs on the upgrade of another block, `ImmtfError` where a state that
    this hangs on can't be read.
    """
    states = session.target.states
    if states is None:
        return Met()
    look = _Look(session, block, states, read or _reader(session).read)
    variables, mocks = look.take() if session.command in SUPPLIED else ({}, {})
    look.ask_consumers()
    required = frozenset(block.requires)
    return Met(variables, _override(session, block, states, mocks), required, required & {*look.near.before})


@dataclass
class _Look:
    """One look at the other blocks, for one root module."""

    session: Session
    block: Block
    states: States
    read: Read

    @property
    def near(self) -> Neighbours:
        """What a run over many blocks told of the others."""
        return self.session.neighbours or Neighbours()

    def take(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return the variables that the producers give, and the mocks by the name of the block that they stand for."""
        session, block = self.session, self.block
        judged, mocks = session.command in JUDGED, session.command == "plan"
        if judged:
            refuse_called(block, remote_states_called(block.terraform))
        found = self._producers(needed=judged)
        session.hide(secrets_of(found))
        reads = reads_of(block.terraform)
        given = _given(session)
        if judged:
            ways = {name: _way(session, block, name) for name in block.requires}
            refuse_unmet(judge_needs(block, found, reads, given, mocks=mocks, ways=ways), block, session.patience, early=True)
            self._tell_found(found)
        made = supply(block, found, reads, mocks=mocks)
        self._tell(made.mocked, unread(block, reads))
        values = {name: {need.name: need.mock for need in block.uses[name]} for name in made.mocked}
        return {name: value for name, value in made.variables.items() if name not in given}, values

    def ask_consumers(self) -> None:
        """Refuse what a deployed block that requires this one wouldn't accept: its new version, or that it goes."""
        session, block = self.session, self.block
        if session.command not in JUDGED | {"destroy"}:
            return
        if session.command == "destroy":
            others, unlisted = self._others("destroyed", thrown_away=session.target.is_test)
            session.patience.refuse([*judge_removed(block, others), *unlisted], f"block {block.name}")
            return
        own = self._deployed_of([block.name])
        if changes_version(own[0] if own else None, block):
            others, unlisted = self._others(f"upgraded to {block.version}", thrown_away=session.target.generated or not own)
            refuse_unmet([*judge_producer(block, [*own, *others]), *unlisted], block, session.patience, early=True)

    def _producers(self, *, needed: bool) -> dict[str, Outputs]:
        """Return the outputs of each required block; one that can't be read is left out, and told, where it isn't `needed`."""
        found = {}
        for name, outputs in self._read(self.block.requires).items():
            if not isinstance(outputs, ImmtfError):
                found[name] = self._by_then(name, outputs)
            elif needed or isinstance(outputs, Interrupted):
                raise outputs
            else:
                self.session.tell(Noted("warning", f"what block {name} publishes is not passed on: {outputs.where} {outputs.what}"))
        return found

    def _by_then(self, name: str, outputs: Outputs) -> Outputs:
        """Return what a producer publishes by this block's turn. Raises `PlanLater` where something that is used comes only then."""
        then = self.near.before.get(name)
        if then is None or not outputs.is_deployed:
            return outputs
        found, later = by_then(outputs, then, self.block.uses.get(name, ()), self.near.publishes.get(name, ()))
        if later:
            what = f"what becomes of it is known only when {name} {then.version} is deployed: it uses {', '.join(later)} of it"
            raise PlanLater(what, where=f"block {self.block.name}", next=f"upgrade {name}; `immtf upgrade` on all of them does so first")
        return found

    def _others(self, what: str, *, thrown_away: bool) -> tuple[list[Deployed], list[Refusal]]:
        """Return the other blocks that may require this one, and what speaks against going on without knowing all of them.

        `what` would be done to this block. `thrown_away`: nobody else's stands on it, or all that does is a test's.
        """
        near = self.session.neighbours
        names = near.consumers if near else self.states.there()
        others = self._as_by_then([name for name in names or () if name != self.block.name])
        if names is not None and (near is None or near.listed):
            return others, []
        if not thrown_away:
            return others, [judge_unlisted([self.block.name], what)]
        told = f"which blocks are deployed can't be listed in this environment, so none was asked whether it requires {self.block.name}"
        self.session.tell(Noted("warning", told))
        return others, []

    def _as_by_then(self, names: Collection[str]) -> list[Deployed]:
        before = self.near.before
        return [*(before[name] for name in names if name in before), *self._deployed_of([name for name in names if name not in before])]

    def _deployed_of(self, names: Collection[str]) -> list[Deployed]:
        """Return those of these blocks that are deployed; of one that can't be read nothing is known."""
        found = []
        for name, outputs in self._read(names).items():
            if isinstance(outputs, Interrupted):
                raise outputs
            if isinstance(outputs, ImmtfError):
                found.append(Deployed(name, problem=f"{outputs.where} {outputs.what}"))
            elif outputs.is_deployed:
                found.append(deployed_of(outputs))
        return found

    def _read(self, names: Collection[str]) -> dict[str, Outputs | ImmtfError]:
        """Read several states side by side."""
        began = self.session.clock.monotonic()
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found = dict(zip(names, pool.map(self._try, names), strict=True))
        self.session.ledger.elsewhere_s += self.session.clock.monotonic() - began
        return found

    def _try(self, name: str) -> Outputs | ImmtfError:
        try:
            return self.read(name, self.states.backend_of(name))
        except ImmtfError as error:
            return error

    def _tell_found(self, found: Mapping[str, Outputs]) -> None:
        """Tell the versions that were found to do: it is the evidence that the run is let go on by."""
        told = [
            f"{name} {deployed_of(found[name]).version or '(version unknown)'}{' by its turn' if name in self.near.before else ''}"
            for name in sorted(found)
            if found[name].is_deployed
        ]
        if told:
            self.session.tell(Noted("info", f"required and deployed: {', '.join(told)}"))

    def _tell(self, mocked: Iterable[str], places: Iterable[str]) -> None:
        for name in mocked:
            self.session.tell(Noted("warning", f"block {name} isn't deployed: mocks stand for its outputs, in this plan alone"))
        for output in places:
            what = f"{output} is used by its file, and the HCL of {self.block.name} declares neither a variable nor a data source for it"
            self.session.tell(Noted("warning", what))


def reads_of(module: Path) -> Reads:
    """Return what a root module takes from outside."""
    return Reads(declared_variables(module), sensitive_variables(module), remote_states(module))


def _reader(session: Session) -> StateReader:
    return StateReader(
        binary=session.target.terraform,
        environment=session.target.process,
        scratch=_scratch(session),
        interrupted=session.signals.is_set,
    )


def _scratch(session: Session) -> Path:
    return (session.target.directory or session.target.home) / "scratch"


def _given(session: Session) -> dict[str, Any]:
    """Return the variables that are set by hand, the strongest last."""
    process = session.target.process
    named = {name.removeprefix(_VARIABLE): text for name, text in process.items() if name.startswith(_VARIABLE)}
    return {**named, **session.target.variables, **session.variables}


def _override(session: Session, block: Block, states: States, mocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return where each data source reads a required block's state; the configuration's own settings give way to it."""
    reads, found = reads_of(block.terraform), {}
    for name in block.requires:
        label = source_of(name, reads)
        if label and name in mocks:
            path = new_file(_scratch(session).resolve(), "mock")
            path.write_text(as_state(mocks[name]))
            found[label] = _source("local", {"path": str(path)})
        elif label:
            backend = states.backend_of(name)
            found[label] = _source(backend.kind, backend.config)
    return {"data": {"terraform_remote_state": found}} if found else {}


def _source(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"backend": kind, "workspace": "default", "config": literal(dict(config)), "defaults": None}


def _way(session: Session, block: Block, name: str) -> str:
    """Return a required block's directory, if it is beside this one, and the options that lead to this environment."""
    _, dashes, options = session.target.flags.partition(" --")
    written = re.compile(rf"^block:[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*(#.*)?$", re.MULTILINE)
    beside = sorted(file for file in block.directory.parent.glob("*/immtf.yaml") if file.is_file())
    found = next((file.parent for file in beside if written.search(_text(file))), None)
    directory = os.path.relpath(found) if found else f"DIRECTORY_OF_{name}"
    return f"{directory}{dashes}{options}"


def _text(file: Path) -> str:
    """Return a file of another block, for a hint alone: what can't be read, or is too long to be one, holds nothing."""
    try:
        return file.read_text(errors="replace") if file.stat().st_size <= _LONGEST else ""
    except OSError:
        return ""
