"""A command's session on one block: the wiring of every port, opened once and closed at the end."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import Aws
from immtf.adapters.clock import Signals, Urgent, WallClock
from immtf.adapters.ec2 import Ec2
from immtf.adapters.knock import Network
from immtf.adapters.services import Services
from immtf.adapters.ssm import Ssm
from immtf.adapters.sweeper import Ec2Sweeper
from immtf.adapters.terraform.cli import TerraformCli
from immtf.adapters.terraform.hcl import declared_variables
from immtf.adapters.terraform.overrides import untagged, with_tags
from immtf.adapters.terraform.stored import stored_state
from immtf.adapters.terraform.unsaved import StateUnsaved
from immtf.adapters.testinfra import PytestChecks
from immtf.adapters.worktree import mirror
from immtf.app.producers import Met, meet
from immtf.app.telling import Teller, now
from immtf.errors import ImmtfError
from immtf.model.events import Noted, TerraformTold
from immtf.plan.checks import Overrides
from immtf.run.fence import FencedCloud, FencedService, FencedTerraform, unguarded
from immtf.run.gates import Patience
from immtf.run.ledger import Ledger
from immtf.run.moves import Limits
from immtf.run.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from immtf.adapters.terraform.stream import TerraformEvent
    from immtf.app.leasing import Leases
    from immtf.app.target import Target
    from immtf.model.block import Block
    from immtf.model.cloud import ImageChoice
    from immtf.model.environment import Neighbours
    from immtf.model.events import Event
    from immtf.run.fence import Guard
    from immtf.run.ports import Sweeper

NOISE = frozenset({"refresh_start", "refresh_complete", "resource_drift", "log"})
TARGETED = ("Resource targeting is in effect", "Applied changes may be incomplete")  # Terraform warns of what is done on purpose


def new_run_id() -> str:
    """Return an id that sorts by time and doesn't repeat, e.g. `20260102-030405-9f3a`."""
    return f"{now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass
class Session:
    """Everything a command works with.

    `listeners` hear each event; `variables` are the user's own, for Terraform; `again` is the command line that does the same
    again, `elsewhere` the options that any other command on this environment needs too; `accepted` are the nodes of `--accept-unmarked`,
    `overrides` the checks of `--allow`. `leases` are those of a command that changes something, else None. `command` is the command's name;
    `hide` takes values that no reader may show. `neighbours` is what a run over many blocks tells of the others.
    """

    block: Block
    target: Target
    run_id: str
    signals: Signals
    listeners: tuple[Callable[[Event, datetime], None], ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    again: str = ""
    elsewhere: str = ""
    accepted: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    overrides: Overrides = field(default_factory=Overrides)
    leases: Leases | None = None
    terraforms: list[TerraformCli] = field(default_factory=list)
    world: World | None = None
    ended_well: bool = False
    command: str = ""
    neighbours: Neighbours | None = None
    hide: Callable[[Collection[Any]], None] = field(default=lambda _values: None)
    requests_told: int = field(default=0, init=False)
    _met: Met = field(default_factory=Met, init=False)
    _asked: dict[tuple[str, Path], Met] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Make what needs no call to the outside."""
        self.tell = Teller(self.listeners, self._asked_to_end, lambda: (self.api_calls, self.terraform_runs))
        self.clock = WallClock(self.signals)
        self.patience = Patience(self.clock, self.signals, self.tell, self.overrides)
        self.ledger = Ledger(self.clock.monotonic())
        self.aws = Aws.from_environment(self.target.process)
        self.ec2 = Ec2(self.aws)
        self.calls_before = self.target.calls() if self.target.calls else 0
        self.signals.on_request(self._interrupt)

    def open(self, image: ImageChoice | None, *, block: Block | None = None) -> World:
        """Return the world of the block with this image wanted; Terraform is made ready for it.

        `block` is another version of the same block, from another directory, on the same state.
        """
        chosen = block or self.block
        self._opened = (image, chosen)
        asked = (self.command, chosen.file)
        self._met = self._asked.get(asked) or meet(self, chosen)
        self._asked[asked] = self._met
        terraform = self._terraform(chosen, image)
        terraform.init()
        guard = self._guard(terraform.root)
        self.world = World(
            block=chosen,
            terraform=FencedTerraform(terraform, guard),
            cloud=FencedCloud(self.ec2, guard),
            guest=Ssm(self.aws, self.clock),
            service=FencedService(Services(self.target.process), guard),
            knock=Network(),
            tags={"immtf:block": chosen.name, **self._environment_tag()},
            accepted=self.accepted,
            run_id=self.run_id,
            guard=guard,
            known=self._met.known,
            later=self._met.later,
            checks=PytestChecks(self.target.process, self.signals.is_urgent, lambda text: self.tell(Noted("info", text))),
        )
        return self.world

    def sweeper(self) -> Sweeper:
        """Return what takes strays of a test environment away; made when it is asked for, as only the clean-up of a test does."""
        return Ec2Sweeper(self.aws)

    def _guard(self, root: Path) -> Guard:
        """Return what each changing call asks first, with every lease taken; a command that changes nothing has none to ask."""
        if self.leases is None:
            return unguarded
        self.leases.complete(self, root)
        return self.leases.confirm

    def _may_save(self) -> None:
        """Let a state that an earlier apply left be saved only by a run that holds its leases: another may be at it just now."""
        if self.leases is None:
            raise StateUnsaved(
                "an earlier apply could not save its state, and this command changes nothing",
                where=f"block {self.block.name}",
                next="`immtf upgrade` saves it before anything else",
            )
        self.leases.confirm()

    def confirm_leases(self) -> None:
        """Make sure that the leases were this run's until now: what it last saw may be another's doing. Raises `LeaseLost`."""
        if self.leases is not None:
            self.leases.confirm()

    def lent(self) -> AbstractContextManager[None]:
        """Let another immtf that works for this run have the lease for as long. Raises `LeaseLost` where it isn't back afterwards."""
        return nullcontext() if self.leases is None else self.leases.lend()

    def release(self) -> None:
        """Give the leases back. May be repeated."""
        if self.leases is not None:
            self.leases.release()

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that the block's instances carry, and the environment's where immtf named it."""
        return {"immtf:block": self.block.name, **self._environment_tag()}

    def _environment_tag(self) -> dict[str, str]:
        """Return the environment's tag where immtf keeps the environment and so gave it its name; else the live nodes tell it."""
        return {"immtf:environment": self.target.environment} if self.target.directory is not None else {}

    def glance(self) -> World:
        """Return the world only to look at it: what other blocks there are isn't asked."""
        command, self.command = self.command, ""
        try:
            return self.open(None)
        finally:
            self.command = command

    def reopen(self) -> World:
        """Return the world anew, as after an interrupt: a Terraform that was interrupted is asked nothing more."""
        image, block = self._opened
        return self.open(image, block=block)

    def close(self) -> None:
        """Give the leases back, and remove what this process left in the scratch directory: plans hold secrets."""
        self.release()
        for terraform in self.terraforms:
            terraform.close(ended_well=self.ended_well)

    @property
    def state_copy(self) -> Path | None:
        """Return the copy of the state from before the last apply; None where nothing was applied on a state that there was."""
        return next((terraform.copy for terraform in reversed(self.terraforms) if terraform.copy), None)

    @property
    def terraform_s(self) -> float:
        """Return the seconds spent inside Terraform runs so far."""
        return sum(run.seconds for terraform in self.terraforms for run in terraform.runs)

    @property
    def terraform_runs(self) -> int:
        """Return how many Terraform runs there were so far."""
        return sum(len(terraform.runs) for terraform in self.terraforms)

    @property
    def api_calls(self) -> int:
        """Return how many API calls were made so far: all that the place counted, or immtf's own where it doesn't count."""
        if self.target.calls:
            with suppress(ImmtfError):  # a lab that died took its count along
                return self.target.calls() - self.calls_before
        return sum(self.aws.calls.values())

    def _terraform(self, block: Block, image: ImageChoice | None) -> TerraformCli:
        root = self._root(block)
        terraform = TerraformCli(
            root=root,
            binary=self.target.terraform,
            environment=self.target.process,
            variables=self._variables(block, image),
            scratch=(self.target.directory or self.target.home) / "scratch",
            listen=self._told,
            cancel=Urgent(self.signals),
            sleep=self.clock.sleep,
            stored=partial(stored_state, root, self.target.process, self.aws),
            guard=self._may_save,
            reconfigure=self.target.directory is not None,
        )
        self.terraforms.append(terraform)
        return terraform

    def _root(self, block: Block) -> Path:
        """Return the directory to run Terraform in: the block's own, or a mirror of it where the environment is kept by immtf."""
        if self.target.directory is None:
            return block.terraform
        tree = hashlib.sha256(str(block.terraform).encode()).hexdigest()[:8]
        override = with_tags(self.target.override, self.target.tags, block.terraform)
        for alias in untagged(block.terraform, override):
            which = f"provider aws with the alias {alias}" if alias else "provider aws"
            self.tell(Noted("warning", f"the environment's tags are not set by {which}: its own default_tags can't be read"))
        override = {**override, **self._met.override}
        return mirror(block.terraform, self.target.directory / "work" / tree, override=override)

    def _variables(self, block: Block, image: ImageChoice | None) -> dict[str, Any]:
        """Return Terraform's variables: the place's and the image where the configuration declares them, then the user's own."""
        kept = {"environment": self.target.environment} if self.target.directory is not None else {}  # else it is the user's own to say
        given: dict[str, Any] = {**kept, **self.target.variables}
        declared = declared_variables(block.terraform)
        variables = {name: value for name, value in given.items() if name in declared} | dict(self._met.variables)
        if image is not None and block.image is not None:
            variables[block.image.variable] = image.image_id
        of_a_closure = self.command.startswith("test-")  # some of the user's may be for a block that this one needs
        own = {name: value for name, value in self.variables.items() if not of_a_closure or name in declared}
        return {**variables, **own}

    def _told(self, event: TerraformEvent) -> None:
        """Pass on what Terraform says, with the node it is about; the noise of refreshes is left out."""
        if event.kind in NOISE or event.action == "read":
            return
        if event.kind == "note":  # the adapter's own words, not Terraform's: none of them may be thinned out
            self.tell(Noted("warning", event.message))
            return
        if event.diagnostic is not None:
            if event.diagnostic.severity == "warning" and event.diagnostic.summary not in TARGETED:  # errors are raised
                self.tell(Noted("warning", str(event.diagnostic)))
            return
        owner = self.world.layout.owner(event.address) if self.world and event.address else None
        self.tell(TerraformTold(str(owner or ""), event.kind, event.address, event.action, event.elapsed_s, event.message))

    def _asked_to_end(self) -> Event | None:
        """Return, once for each request to end, what comes of it."""
        if self.signals.count <= self.requests_told:
            self.requests_told = self.signals.count  # forgotten meanwhile, for the clean-up
            return None
        self.requests_told = self.signals.count
        by = f" ({self.signals.signal.name})" if self.signals.signal else ""
        if self.signals.is_urgent():
            return Noted("warning", f"asked to end, again{by}: at once, and Terraform gets one interrupt and its time")
        return Noted("warning", f"asked to end{by}: the run goes on to the next point at which no node is away, and stops there")

    def _interrupt(self, count: int) -> None:
        """On the second request, and on that one only, let Terraform have its one interrupt."""
        if count == 2 and self.terraforms:  # noqa: PLR2004 - the second request
            self.terraforms[-1].interrupt()
