"""The proof of an image: what every instance of it will meet, tried on instances that are thrown away.

In this order, and the first failure ends it: it boots and answers · without its volume nothing comes up on the root disk · a blank volume
that comes late is called blank and left alone · one with foreign bytes is left alone · with a first-boot mark it gets a filesystem and is
mounted · the image's own tests pass · another instance gets the volume with data on it: the same filesystem, the data untouched.
An image without a data volume has only its boot and its tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import GuestFailed
from immtf.plan.facts import first_boot_script
from immtf.plan.trials import (
    canary_script,
    foreign_script,
    judge_absent,
    judge_blank,
    judge_foreign,
    judge_mounted,
    judge_returned,
    ready_script,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.cloud import Instance
    from immtf.model.verdict import Verdict
    from immtf.run.trial import Bench

    Tests = Callable[[Instance], Verdict]


def verify(bench: Bench, tests: Tests | None, token: str) -> tuple[str, ...]:
    """Prove an image and return what was tried. `token` is this run's own word.

    Raises `GateFailed` with what the image did wrong, `Unproven` where that may not be the image's doing.
    """
    first = bench.boot("boot")
    tried = ["boot"]
    if not bench.rules.mount:
        return (*tried, *_tests(bench, first, tests))
    _without_volume(bench, first)
    _blank_and_foreign(bench, first)
    volume_id, filesystem = _late_volume(bench, first)
    tried += ["no volume", "late blank volume", "foreign bytes", "first-boot mark", *_tests(bench, first, tests)]
    _returning_volume(bench, first, volume_id, filesystem, token)
    return (*tried, "volume with data")


def _without_volume(bench: Bench, instance_id: str) -> None:
    mount, rules = bench.rules.mount, bench.rules
    bench.until(
        "no volume",
        "nothing comes up on the root disk",
        lambda: judge_absent(bench.look(instance_id), mount),
        rules.mount_s,
        calm_s=rules.calm_s,
    )


def _blank_and_foreign(bench: Bench, instance_id: str) -> None:
    """Let a blank volume come late; then write foreign bytes on it, and let it come again."""
    rules, step = bench.rules, "late blank volume"
    volume_id = _new_volume(bench, step, instance_id)
    _stays_blank(bench, step, instance_id, volume_id)
    step = "foreign bytes"
    bench.carry_out(instance_id, foreign_script(volume_id), "the foreign bytes could not be written")
    written = bench.look(instance_id, volume_id).bytes
    if not written:
        raise GuestFailed("the foreign bytes could not be read back", where=instance_id, next="run it again; the image is as it was")
    bench.detached(step, instance_id, volume_id)
    bench.attached(step, instance_id, volume_id)
    bench.until(
        step,
        "a volume with foreign bytes is left alone",
        lambda: judge_foreign(bench.look(instance_id, volume_id), rules.mount, volume_id, written),
        rules.mount_s,
        calm_s=rules.calm_s,
    )
    bench.detached(step, instance_id, volume_id)


def _late_volume(bench: Bench, instance_id: str) -> tuple[str, str]:
    """Give a blank volume its first-boot mark; return it with the filesystem that the image made."""
    step = "first-boot mark"
    volume_id = _new_volume(bench, step, instance_id)
    _stays_blank(bench, step, instance_id, volume_id, calm=False)
    bench.carry_out(instance_id, first_boot_script(bench.rules.mount, volume_id), "the first-boot mark could not be given")
    _mounts(bench, step, instance_id, volume_id)
    found = bench.look(instance_id, volume_id).facts.mount(bench.rules.mount)
    return volume_id, found.filesystem if found else ""


def _returning_volume(bench: Bench, first: str, volume_id: str, filesystem: str, token: str) -> None:
    """Leave a canary, and let another instance of the image have the volume: as an upgrade does with a node's data."""
    rules, step = bench.rules, "volume with data"
    bench.carry_out(first, canary_script(rules.mount, token), "the canary could not be written")
    bench.stopped(step, first)
    bench.detached(step, first, volume_id)
    second = bench.boot(step)
    bench.attached(step, second, volume_id)
    _mounts(bench, step, second, volume_id)
    bench.until(
        step,
        "what is on the volume stays",
        lambda: judge_returned(bench.look(second, volume_id), rules.mount, volume_id, filesystem=filesystem, token=token),
        rules.mount_s,
        calm_s=rules.calm_s,
    )


def _new_volume(bench: Bench, step: str, instance_id: str) -> str:
    volume_id = bench.trial.make_volume(bench.order.zone, bench.order.tags)
    bench.attached(step, instance_id, volume_id)
    return volume_id


def _stays_blank(bench: Bench, step: str, instance_id: str, volume_id: str, *, calm: bool = True) -> None:
    rules = bench.rules
    bench.until(
        step,
        "a blank volume is called blank, and left alone",
        lambda: judge_blank(bench.look(instance_id, volume_id), rules.mount, volume_id),
        rules.mount_s,
        calm_s=rules.calm_s if calm else 0.0,
    )


def _mounts(bench: Bench, step: str, instance_id: str, volume_id: str) -> None:
    mount = bench.rules.mount
    what = f"{volume_id} is mounted at {mount}"
    bench.until(step, what, lambda: judge_mounted(bench.look(instance_id, volume_id), mount, volume_id), bench.rules.mount_s)


def _tests(bench: Bench, instance_id: str, tests: Tests | None) -> tuple[str, ...]:
    """Run the image's own tests, again and again until they pass or the time is over: services need a moment.

    Each time the instance has to answer first: tests that don't reach it fail too, and say nothing of the image.
    """
    if tests is None:
        return ()
    ran = tests

    def ask() -> Verdict:
        bench.carry_out(instance_id, ready_script(), "it doesn't answer any more")
        return ran(bench.instance(instance_id))

    bench.until("tests", "the image's own tests pass", ask, bench.rules.checks_s)
    return ("tests",)
