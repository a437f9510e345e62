"""The use cases `test-create` and `test-upgrade`: in an environment of their own, which is destroyed whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from immtf.adapters.services import store
from immtf.app import upgrade as upgrading
from immtf.app.closing import Outcome
from immtf.app.ground import Ground, begin, end, keep, make, refuse_adopted
from immtf.app.images import previous_image, told_choice
from immtf.app.lifetime import within_life
from immtf.app.restoring import begin_restore, finish_restore
from immtf.errors import (
    CloudFailed,
    ExitCode,
    GateFailed,
    ImmtfError,
    Interrupted,
    LeaseLost,
    PersonNeeded,
    TerraformFailed,
    UsageError,
    VersionsUnresolved,
)
from immtf.model.events import Noted
from immtf.plan.contracts import judge_previous
from immtf.plan.sweep import sweep_tags
from immtf.run import lifecycle
from immtf.run.following import Following
from immtf.run.probe import Probe
from immtf.run.sweep import Sweep
from immtf.run.upgrade import stage
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.app.previous import PreviousContainer
    from immtf.app.session import Session
    from immtf.model.block import Block, ServiceGate
    from immtf.model.cloud import ImageChoice
    from immtf.run.probe import KeyValue
    from immtf.run.world import World


@dataclass(frozen=True, slots=True)
class Before:
    """Where the previous version comes from: an image of this block, and another version's block where one is given.

    `container` makes it, where the block came out of its own image; without one this immtf does.
    """

    image: str | None = None
    block: Block | None = None
    container: PreviousContainer | None = None


def previous_block(block: Block, old: Block) -> Before:
    """Return the previous version of a block from its own file. Raises `VersionsUnresolved` where it can't be upgraded to this one."""
    lacks = judge_previous(old, block)
    if lacks:
        raise VersionsUnresolved(
            f"the previous version {old.version} of block {block.name} lacks the contract of {block.version}: {'; '.join(lacks)}",
            where=str(old.file),
            next="nothing was created; name a version with --from that this one can follow, or keep to its contract",
        )
    return Before(block=old)


def test_create(session: Session, image: str | None, ground: Ground) -> Outcome:
    """Create the environment with what the block needs, see it whole, destroy it."""
    choice = told_choice(session, image)
    snapshot = begin_restore(session, session.block)
    begin(session, ground)
    return _destroyed_after(session, ground, lambda: _create(session, session.open(choice), snapshot))


def test_upgrade(session: Session, before: Before, image: str | None, ground: Ground) -> Outcome:
    """Create the previous version, write all the while, upgrade to this one, read everything again, destroy."""
    target = told_choice(session, image)
    old = before.block or session.block
    if before.image or before.block:
        source = told_choice(session, before.image, block=old)
    elif target is None:
        raise UsageError("the block takes no image, so it has no previous version", next="say where it is: --from DIR or --from git:REF")
    else:
        source = previous_image(session.block, session.ec2, target)
    snapshot = begin_restore(session, old, elsewhere=before.container is not None)
    session.tell(
        Noted("info", f"from {source.version if source else old.version} to {target.version if target else session.block.version}")
    )

    def body() -> Outcome:
        if before.container is None:
            _create(session, session.open(source, block=old), snapshot)
        else:
            _create_elsewhere(session, before.container, source, target)
        probe = _probe(session)
        try:
            world, made = upgrading.make_for(session, target)
            if not made.pending:
                raise UsageError("there is nothing to upgrade: both versions are the same", next="say another one with --from")
            upgrading.carry_out(session, world, made)
            return _account(probe)
        finally:
            if probe:
                probe.halt()

    refuse_adopted(session, old)
    begin(session, ground)
    return _destroyed_after(session, ground, body, anew=before.container is not None)


def _create_elsewhere(session: Session, container: PreviousContainer, source: ImageChoice | None, target: ImageChoice | None) -> None:
    """Have the container make the environment. It is opened with this version before, so that whatever comes of it can be destroyed."""
    session.open(target)
    container.create(session, source)
    session.reopen().survey()
    finish_restore(session)


def _create(session: Session, world: World, snapshot: str) -> Outcome:
    """Create the environment and fill its data, where the block says how."""
    lifecycle.create(world, session.patience, session.ledger, snapshot=snapshot)
    finish_restore(session)
    return Outcome()


def _probe(session: Session) -> Probe | None:
    """Start the probe on the first cluster that has a store it can write to."""
    world = session.world
    for name, cluster in session.block.clusters.items():
        gate = service_gate(cluster)
        if world is None or gate is None:
            continue
        keys = Following(partial(_store, session, gate), partial(_serving, session, name), session.clock)
        probe = Probe(keys, session.clock, session.tell, session.run_id)
        probe.start()
        return probe
    session.tell(Noted("warning", "no probe: no cluster of this block has a store that it could write to"))
    return None


def _store(session: Session, gate: ServiceGate, addresses: Sequence[str]) -> KeyValue:
    return store(gate, addresses, session.target.process)


def _serving(session: Session, cluster: str) -> list[str]:
    """Return the servers' addresses; none while the world is being opened anew."""
    return [address for address in (session.world.addresses(cluster) if session.world else {}).values() if address]


def _account(probe: Probe | None) -> Outcome:
    if probe is None:
        return Outcome()
    lost = probe.finish()
    tally = probe.tally
    code = ExitCode.GATE_FAILED if lost else ExitCode.DONE
    return Outcome("halted" if lost else "done", code, len(tally.acknowledged), len(lost), tally.longest_gap_s)


def _destroyed_after(session: Session, ground: Ground, body: Callable[[], Outcome], *, anew: bool = False) -> Outcome:
    """Make what is needed and carry out the body, then destroy the environment, also where that failed or was interrupted.

    Only a test that failed, and was told to, leaves it as it is; one whose time is over ends as if it had been asked to. `anew`: where it
    failed, the state may be another Terraform's, so it is opened anew first.
    """
    outcome: Outcome | None = None
    try:
        with within_life(session, ground.life_s, ground.after):
            make(session, ground)
            outcome = body()
    finally:
        interrupted = session.signals.is_set()
        session.signals.reset()
        failed = outcome is None
        if ground.keep and not interrupted and (outcome is None or outcome.exit_code is not ExitCode.DONE):
            keep(session, ground)
        elif _destroy(session, failed=failed, reopen=interrupted or (failed and anew)):
            end(session, ground, failed=failed)
    return outcome


def _destroy(session: Session, *, failed: bool, reopen: bool) -> bool:
    """Destroy, and return whether it is gone; where the body failed already, a failure here is told and doesn't hide the first one."""
    if session.world is None:
        return True
    try:
        with stage(session.patience, "clean-up", "the test environment is destroyed"):
            _destroy_swept(session, session.reopen() if reopen else session.world)
    except ImmtfError as error:
        left = f"the test environment {session.target.environment} is left: {error.what}"
        if not failed:
            raise GateFailed(left, where=error.where, next=f"immtf destroy {session.target.flags}".strip()) from error
        session.tell(Noted("warning", left))
        return False
    return True


def _destroy_swept(session: Session, world: World) -> None:
    """Destroy what the state has, and take away what bears the environment's tags and is in no state, before it and after it.

    Swept too where the destroy fails: a Terraform that was killed may have left no state to destroy by.
    """
    sweep = _sweep(session, world)
    if sweep:
        _sweep_first(session, sweep, world)
    try:
        lifecycle.destroy(world, session.patience)
    except (Interrupted, LeaseLost):
        raise
    except ImmtfError:
        if sweep:
            sweep.everything()
        raise
    if sweep:
        sweep.everything()


def _sweep(session: Session, world: World) -> Sweep | None:
    """Return the sweep of this environment; None where it may not be swept."""
    target = session.target
    tags = sweep_tags(session.block.name, target.environment, is_test=target.is_test, generated=target.generated)
    return Sweep(session.sweeper(), tags, session.patience, world.guard) if tags else None


def _sweep_first(session: Session, sweep: Sweep, world: World) -> None:
    """Take stray instances out of the destroy's way; where that fails, the destroy may do without."""
    try:
        sweep.instances({str(row.values.get("id") or "") for row in world.terraform.state().resources})
    except (CloudFailed, PersonNeeded, TerraformFailed) as error:
        session.tell(Noted("warning", f"stray instances are not swept before the destroy: {error.what}"))
