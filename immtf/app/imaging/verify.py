"""The use case `image verify`: an image proven in a place that is thrown away, and what comes of it: a tag, or its removal.

Only what the image itself did wrong removes it. Tests that can't be run are refused before anything is made; an instance that never
answered, in a place that may be the wrong one, leaves the image as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from immtf.adapters.ec2 import Ec2
from immtf.adapters.ssm import Ssm
from immtf.adapters.sweeper import Ec2Sweeper
from immtf.adapters.testinfra import collect_checks, run_checks
from immtf.adapters.trial import Ec2Trial
from immtf.app.closing import Outcome
from immtf.app.imaging.shelf import wanted_image
from immtf.app.telling import now
from immtf.errors import GateFailed, ImmtfError, Unproven, UsageError
from immtf.model.checking import BlockFacts, CheckFacts, Connection, NodeFacts
from immtf.model.events import Noted, StageFinished, StageStarted
from immtf.model.imaging import TrialOrder
from immtf.plan.image import VERIFIED_TAG
from immtf.plan.imaging import AVAILABLE, kept_after_failure, marked
from immtf.plan.sweep import BLOCK, ENVIRONMENT
from immtf.run.fence import unguarded
from immtf.run.sweep import Sweep
from immtf.run.trial import Bench
from immtf.run.verify import verify as prove

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from immtf.app.imaging.session import ImageSession
    from immtf.model.cloud import Instance
    from immtf.model.imaging import TrialRules
    from immtf.model.verdict import Verdict
    from immtf.plan.image import Image
    from immtf.run.image_ports import Trial
    from immtf.run.ports import Cloud, Guest, Sweeper

EXPIRES_TAG = "immtf:expires"
LIFETIME = timedelta(hours=3)
COLLECT_S = 60.0  # for reading the tests, which no short limit of theirs should cut


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person said of a verification. `subnet` is "" for the place's own, `network` the lab's, "" on AWS."""

    rules: TrialRules
    tests: Path | None = None
    keep: bool = False
    subnet: str = ""
    network: str = ""
    instance_type: str = "t3.small"
    profile: str = ""
    user_data: str = ""


@dataclass(frozen=True)
class Ports:
    """The ports of a trial."""

    trial: Trial
    cloud: Cloud
    guest: Guest
    sweeper: Sweeper


def verify(session: ImageSession, wanted: str, family: str, wish: Wish) -> Outcome:
    """Prove an image on AWS or in the lab."""
    image, _ = wanted_image(session, wanted, family)
    refuse_unrunnable(session, wish)
    trial = Ec2Trial(session.aws)
    ground = trial.lab_ground(wish.network) if wish.network and not wish.subnet else trial.ground(wish.subnet)
    name = session.environment()
    order = TrialOrder(
        image_id=image.image_id,
        subnet_id=ground.subnet_id,
        zone=ground.zone,
        tags=trial_tags(image, name),
        instance_type=wish.instance_type,
        profile=wish.profile,
        user_data=wish.user_data,
    )
    ports = Ports(trial, Ec2(session.aws), Ssm(session.aws, session.clock), Ec2Sweeper(session.aws))
    return verify_on(session, image, order, ports, wish)


def refuse_unrunnable(session: ImageSession, wish: Wish) -> None:
    """Raise `UsageError` where the image's tests can't be run from here at all; nothing is made yet."""
    if wish.tests is None:
        return
    found = collect_checks(
        wish.tests, connection=Connection(way="ssm"), environment=session.target.process, limit_s=max(wish.rules.checks_s, COLLECT_S)
    )
    if not found.held:
        raise UsageError(f"the tests can't be run: {found.reason}", where="--tests", next=found.next)


def trial_tags(image: Image, name: str) -> Mapping[str, str]:
    """Return what a trial's instances and volumes bear: a test environment of their own, and when they are certainly over."""
    expires = f"{now() + LIFETIME:%Y-%m-%dT%H:%M:%SZ}"
    block = f"image-{image.family}"
    return {BLOCK: block, ENVIRONMENT: name, EXPIRES_TAG: expires, "Name": f"{block}-{name}", "immtf:image": image.image_id}


def verify_on(session: ImageSession, image: Image, order: TrialOrder, ports: Ports, wish: Wish) -> Outcome:
    """Prove an image with these ports; tag it, or remove it where it failed and nothing hangs on it."""
    if image.state != AVAILABLE:
        raise ImmtfError(
            f"{image.image_id} is {image.state}: only what is available can be verified", next="wait until it is, then run it again"
        )
    clock = session.clock
    start = clock.monotonic()
    session.tell(
        StageStarted(
            "verify", f"{image.image_id} ({image.family} {image.version or '-'}) in {order.subnet_id}, as {order.tags[ENVIRONMENT]}"
        )
    )
    if not wish.rules.mount:
        session.tell(Noted("warning", "no mount point is known (--mount, or --block): how the image treats its data volume is not tried"))
    tests = (lambda instance: _checked(session, image, instance, wish)) if wish.tests else None
    bench = Bench(order, wish.rules, ports.trial, ports.cloud, ports.guest, session.patience)
    try:
        tried = _swept_after(session, ports.sweeper, order.tags, lambda: prove(bench, tests, session.run_id))
    except Unproven as failure:
        failure.what += f"; {image.image_id} ({image.version or '-'}) stays as it was: that may be the place's doing, and not the image's"
        failure.next = failure.next or "see that the trial's place is right (--subnet, --instance-profile), then run it again"
        raise
    except GateFailed as failure:
        failure.what += f"; {_after_failure(session, image, keep=wish.keep)}"
        failure.next = failure.next or "mend the image, and build it under its next version"
        raise
    session.store.tag(image.image_id, marked(VERIFIED_TAG, f"{now():%Y-%m-%dT%H:%M:%SZ}", session.run_id))
    session.tell(StageFinished("verify", round(clock.monotonic() - start, 3)))
    promote = f"`immtf image promote {image.image_id} --family {image.family}` lets it out"
    session.tell(Noted("info", session.spelled(f"{image.image_id} ({image.version}) is verified ({', '.join(tried)}); {promote}")))
    return Outcome()


def _after_failure(session: ImageSession, image: Image, *, keep: bool) -> str:
    """Remove an image that failed, and say so; or say why it is kept. What an earlier run said of it holds no longer."""
    named = f"{image.image_id} ({image.version or '-'})"
    try:
        present = session.store.image(image.image_id) or image
        if present.is_verified and not present.is_promoted:
            session.store.tag(image.image_id, {VERIFIED_TAG: ""})
        if keep:
            return f"{named} is kept, as --keep says; it is not verified"
        why = kept_after_failure(present, session.store.uses().get(image.image_id, ()))
        if why:
            return f"{named} is not removed: {why}"
        session.store.remove(present)
    except ImmtfError as error:
        return f"{named} could not be removed: {error.what}"
    return f"{named} was removed, with its snapshots"


def _swept_after(session: ImageSession, sweeper: Sweeper, tags: Mapping[str, str], body: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Carry the body out; whatever comes of it, take away what bears the trial's tags. Left things are told, and end by their time."""
    try:
        return body()
    finally:
        session.signals.reset()
        own = {BLOCK: tags[BLOCK], ENVIRONMENT: tags[ENVIRONMENT]}
        try:
            Sweep(sweeper, own, session.patience, unguarded, trial=True).everything()
        except ImmtfError as error:
            left = ", ".join(f"{key}={value}" for key, value in own.items())
            session.tell(Noted("warning", f"what the trial made is not all gone ({left}): {error.what}"))


def _checked(session: ImageSession, image: Image, instance: Instance, wish: Wish) -> Verdict:
    """Run the image's own tests on an instance, over Systems Manager."""
    assert wish.tests is not None  # noqa: S101 - asked only where there are tests: for the type checker
    node = NodeFacts(
        name=f"image {image.version or image.image_id}",
        instance_id=instance.instance_id,
        address=instance.address,
        zone=instance.zone,
        image_id=image.image_id,
        image_version=image.version,
    )
    return run_checks(
        wish.tests,
        connection=Connection(way="ssm"),
        facts=CheckFacts(node=node, block=BlockFacts(name=image.family, version=image.version)),
        environment=session.target.process,
        limit_s=wish.rules.checks_s,
        interrupted=session.signals.is_set,
        tell=lambda text: session.tell(Noted("info", text)),
    )
