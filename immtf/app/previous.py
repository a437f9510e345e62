"""The previous version of a test-upgrade made by its own container: its immtf, its Terraform, its block, on this test's environment.

The container runs `create` with this test's home mounted at the same path, so the state, the lab's record and its locks are the same
files for both. Of this run's two holds on the environment it gets one: the lease, lent for as long, so that the container takes
it as any run does; the tether stays here, and tells the container that somebody is there to take down what it makes.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters import tether
from immtf.adapters.terraform.hcl import declared_variables
from immtf.errors import PreviousFailed, UsageError
from immtf.model.block import ServiceGate
from immtf.model.container import HOME, RUN, TETHER, ContainerOrder
from immtf.plan import previous
from immtf.plan.environments import FILE as STATE
from immtf.run.gates import check_cancel
from immtf.run.previous import run_container
from immtf.run.upgrade import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.app.session import Session
    from immtf.model.block import Block
    from immtf.model.cloud import ImageChoice
    from immtf.model.container import ContainerEnd, ContainerImage, Left
    from immtf.report.relay import Relay
    from immtf.run.ports import Containers

FILE = "tether"
SWEEP_S = 60.0


@dataclass(frozen=True)
class PreviousContainer:
    """The container that makes the previous version: the engine, its image, the block in that, and how long it may take."""

    containers: Containers
    image: ContainerImage
    block: Block
    limits: previous.Patience = field(default_factory=previous.Patience)

    def create(self, session: Session, choice: ImageChoice | None) -> None:
        """Make the environment of this session, from that image of machines. Raises `PreviousFailed`, `ContainerFailed`, `Interrupted`."""
        directory = session.target.directory
        if directory is None:
            raise UsageError("a container makes test environments only", next="leave --from out")
        if "local" not in session.target.override.get("terraform", {}).get("backend", {"local": {}}):
            raise UsageError(
                "a container of a previous version knows no definition, so it would keep the state elsewhere",
                where=session.target.environment,
                next="leave --environment out",
            )
        what = f"version {self.block.version} is made by container image {self.image.reference}"
        started = session.clock.monotonic()
        try:
            with (
                stage(session.patience, "previous", what),
                tether.held(directory / FILE) as held,
                _variables(session, self.block, directory) as variables,
                session.lent(),
            ):
                order = self.order(session, choice, tether_file=held, variables=variables)
                end, relay, pressure = run_container(self.containers, order, session.patience, self.limits)
                self._judge(session, end, relay, late=pressure.late)
        finally:
            _move_state(directory)
            session.ledger.elsewhere_s += session.clock.monotonic() - started

    def order(self, session: Session, choice: ImageChoice | None, *, tether_file: Path, variables: Path | None) -> ContainerOrder:
        """Return the container that is to be run."""
        target, lab = session.target, session.target.cloud == "lab"
        home = str(target.home.resolve())
        place = ("--lab", "--lab-running", f"--lab-name={target.environment}") if lab else (f"--environment={target.environment}",)
        tokens = {gate.secret_env for block in (self.block, session.block) for gate in _service_gates(block) if gate.secret_env}
        files = {} if lab else {name: path for name, path in previous.credential_files(target.process).items() if Path(path).is_file()}
        passed = previous.passed_on(target.process, tokens, lab=lab)
        chosen = choice.image_id if choice else ""
        return ContainerOrder(
            image_id=self.image.image_id,
            arguments=previous.create_arguments(self.image.directory, home, place, chosen, str(variables or "")),
            environment={**passed, **files, tether.VARIABLE: str(tether_file)},
            user=f"{os.getuid()}:{os.getgid()}",
            mounts=(home,),
            read_only=tuple(sorted(set(files.values()))),
            host_network=lab,
            labels={RUN: session.run_id, HOME: identity(target.home), TETHER: os.path.relpath(tether_file, home)},
            stop_timeout_s=int(self.limits.orderly_s),
        )

    def _judge(self, session: Session, end: ContainerEnd, relay: Relay, *, late: bool) -> None:
        """Go on only after an exit code of 0; anything else is told in words, with what the container said of its own halt."""
        if end.exit_code == 0 and not end.problem:
            return
        if not late:
            check_cancel(session.patience, self.image.reference)
        words = previous.end_in_words(end)
        if late:
            words = f"it was ended after its limit of {self.limits.limit_s:g} s, with {words}"
        said = f": {relay.halted.where + ': ' if relay.halted.where else ''}{relay.halted.what}" if relay.halted else ""
        raise PreviousFailed(
            f"the previous version {self.block.version} was not made: its container ended with {words}{said}",
            code=previous.own_code(end),
            where=self.image.reference,
            next="see what the container told, above and in the journal; then `immtf again`, or name another version with --from",
        )


def _move_state(directory: Path) -> None:
    """Put the state where it belongs if the previous version kept it in the environment's directory, as versions without many blocks do."""
    before, now = directory.parent / STATE, directory / STATE
    if before.exists() and not now.exists():
        before.replace(now)


def identity(home: Path) -> str:
    """Return what tells one home from another where several machines or containers share an engine: the directory itself."""
    found = home.resolve().stat()
    return f"{found.st_dev:x}:{found.st_ino:x}"


def sweep(
    containers: Containers,
    home: Path,
    tell: Callable[[str], None],
    *,
    limit_s: float = SWEEP_S,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Remove the containers of this home's runs that are dead. One that still runs is asked to end first, and given `limit_s` seconds.

    The tether is looked for in the home as it is mounted here: its run may see the same home at another path.
    """
    if not home.is_dir():
        return
    mine = identity(home)
    for left in containers.left(TETHER):
        if left.labels.get(HOME) == mine and not tether.is_held(home / left.labels[TETHER]):
            _end(containers, left, monotonic() + limit_s, monotonic, sleep)
            tell(f"removed a container of run {left.labels.get(RUN, '?')}, which was killed")


def _end(containers: Containers, left: Left, deadline: float, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
    if left.running:
        containers.signal(left.container_id, "SIGTERM")
        while containers.ended(left.container_id) is None and monotonic() < deadline:
            sleep(1.0)
    containers.remove(left.container_id)


def _service_gates(block: Block) -> list[ServiceGate]:
    return [gate for cluster in block.clusters.values() for gate in cluster.gates if isinstance(gate, ServiceGate)]


@contextmanager
def _variables(session: Session, block: Block, directory: Path) -> Iterator[Path | None]:
    """Write the user's Terraform variables for a block into a file of mode 0600 beside the state for as long; None where there are none."""
    declared = declared_variables(block.terraform)
    mine = {name: value for name, value in session.variables.items() if name in declared}
    if not mine:
        yield None
        return
    path = directory / "previous.tfvars.json"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(mine, file)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
