"""A user's own tests of a node: what they are told, and what a run of them comes to.

Held is only what was seen to hold: pytest ended with 0, at least one test passed, none failed and none broke. Where no test failed either,
nothing is known of the node. What no wait mends (no tests, a file that is none, a tool that isn't there) is final. Everything else is
asked again: a node that just came up may fail a test now and pass it in a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.model.checking import BlockFacts, CheckFacts, NodeFacts, VolumeFacts
from immtf.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.block import Block
    from immtf.model.checking import CheckResult, Outcome
    from immtf.model.cloud import Instance
    from immtf.model.layout import NodePlace

USAGE, NO_TESTS = 4, 5  # pytest's own exit codes
SHOWN = 5  # failures that a reason tells of
LONGEST = 200  # marks of what a test or pytest says
_CUT = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run of tests: pytest's exit code, its report, and what it last said.

    `results` is None where there is no report that can be read, and `problem` says why. `late` is a run that was ended after `limit_s`
    seconds, in the test `under_way`.
    """

    exit_code: int
    results: tuple[CheckResult, ...] | None = None
    problem: str = ""
    said: str = ""
    late: bool = False
    limit_s: float = 0.0
    under_way: str = ""


def facts_of(block: Block, place: NodePlace, instance: Instance, image_version: str, environment: str) -> CheckFacts:
    """Return what the tests of a node are told."""
    node = NodeFacts(
        name=str(place.node),
        cluster=place.node.cluster,
        key=place.node.key,
        instance_id=instance.instance_id,
        address=instance.address,
        zone=instance.zone,
        image_id=instance.image_id,
        image_version=image_version,
        volumes=tuple(VolumeFacts(volume.name, volume.volume_id, volume.mount) for volume in place.volumes),
    )
    return CheckFacts(node=node, block=BlockFacts(name=block.name, version=block.version, environment=environment))


def judge_run(ran: Ran) -> Verdict:
    """Return whether the tests passed, and which did not and why."""
    results = ran.results or ()
    failed = _failed(results)
    if ran.late:
        where = f"; {_short(ran.under_way)} was under way" if ran.under_way else ""
        return _denied(f"not ended within {ran.limit_s:g} s{where}" + (f"; {failed}" if failed else ""), unknown=not failed)
    if broken := [result for result in results if result.outcome == "broken"]:
        what = "; ".join(f"{_short(result.name)} can't be read: {_short(result.why)}" for result in broken[:SHOWN])
        return _denied(what, final=True, mend="mend that file")
    if failed:
        return _denied(failed, unknown=False)
    if ran.exit_code == NO_TESTS or (ran.exit_code == 0 and ran.results == ()):
        return _denied("there is not one test", final=True, mend="write some, in `test_*.py`")
    if ran.exit_code != 0 or ran.results is None:
        said = ": ".join(_short(text) for text in (ran.problem, ran.said) if text.strip())
        return _denied(f"pytest ended with {ran.exit_code}" + (f": {said}" if said else ""), final=ran.exit_code == USAGE)
    return _passed(results)


def _passed(results: Sequence[CheckResult]) -> Verdict:
    passed, skipped = _count(results, "passed"), _count(results, "skipped")
    if not passed:
        why = next((f": {_short(result.why)}" for result in results if result.why), "")
        return _denied(f"all of {skipped} were skipped{why}")
    return Verdict(held=True, reason=f"{passed} passed" + (f", {skipped} skipped" if skipped else ""))


def _failed(results: Sequence[CheckResult]) -> str:
    """Name those that failed, each with its reason; one reason that they all have is told once."""
    failed = [result for result in results if result.outcome == "failed"]
    if not failed:
        return ""
    head = f"{len(failed)} of {len(results)} failed"
    names = _names(results)
    if len(failed) > 1 and len({result.why for result in failed}) == 1:
        return f"{head}, each with: {_short(failed[0].why)} ({', '.join(names[result] for result in failed[:SHOWN])}{_more(failed)})"
    return f"{head}: " + "; ".join(f"{names[result]}: {_short(result.why)}" for result in failed[:SHOWN]) + _more(failed)


def _names(results: Sequence[CheckResult]) -> dict[CheckResult, str]:
    """Return what each test is called: without its file where all are of one."""
    files = {result.name.partition("::")[0] for result in results}
    return {result: _short(result.name.rpartition("::")[2] if len(files) == 1 else result.name) for result in results}


def _more(failed: Sequence[CheckResult]) -> str:
    return f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""


def _count(results: Sequence[CheckResult], outcome: Outcome) -> int:
    return sum(result.outcome == outcome for result in results)


def _short(text: str) -> str:
    """Return the first line, cut, with nothing in it that would move a reader's cursor."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    shown = "".join(mark if mark.isprintable() else " " for mark in line)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + _CUT


def _denied(reason: str, *, final: bool = False, mend: str = "", unknown: bool = True) -> Verdict:
    return Verdict(held=False, reason=reason, final=final, next=mend, unknown=unknown)
