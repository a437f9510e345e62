"""What is deployed in an environment before an upgrade over many blocks, and the order that follows from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from immtf.adapters.terraform.outputs import StateReader
from immtf.errors import ImmtfError, Interrupted, PersonNeeded, ToolMissing, UsageError, VersionsUnresolved
from immtf.model.events import CheckOverridden
from immtf.plan.checks import way_past
from immtf.plan.consumers import changes_version, judge_unlisted
from immtf.plan.needs import deployed_of, judge_declared
from immtf.plan.transitions import order_upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from immtf.app.target import Target
    from immtf.model.block import Block
    from immtf.model.environment import Backend, Deployed
    from immtf.model.outputs import Outputs
    from immtf.plan.checks import Overrides
    from immtf.plan.judge import Refusal
    from immtf.plan.transitions import Step
    from immtf.run.ports import Listener

    Read = Callable[[str, Backend], Outputs]

AT_ONCE = 4


def read_deployed(target: Target, known: Collection[str], interrupted: Callable[[], bool], read: Read | None = None) -> dict[str, Deployed]:
    """Return the blocks that are deployed in an environment by name; `known` are those to look for where it can't be listed.

    Raises `ImmtfError` where a state can't be read, `UsageError` where the place doesn't say where its states are.
    """
    deployed, unread = look_at_deployed(target, known, interrupted, read)
    if unread:
        raise next(iter(unread.values()))
    return deployed


def look_at_deployed(
    target: Target, known: Collection[str], interrupted: Callable[[], bool], read: Read | None = None
) -> tuple[dict[str, Deployed], dict[str, ImmtfError]]:
    """Return the blocks that are deployed by name, and of each whose state can't be read why: whether that one is deployed isn't known.

    `read` reads a state; without it Terraform does.

    Raises `Interrupted` where it was asked to end meanwhile, `ToolMissing` without Terraform, else as `read_deployed`.
    """
    states = target.states
    if states is None:
        raise UsageError(
            "which versions are deployed is not known: each block has its own backend in its configuration",
            next="name an environment whose definition says where the states are: --environment NAME",
        )
    scratch = target.home / "scratch"
    read = read or StateReader(binary=target.terraform, environment=target.process, scratch=scratch, interrupted=interrupted).read
    there = states.there()
    names = sorted(known if there is None else there)

    def attempt(name: str) -> Outputs | ImmtfError:
        try:
            return read(name, states.backend_of(name))
        except (Interrupted, ToolMissing, UsageError):
            raise
        except ImmtfError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(attempt, names), strict=True))
    unread = {name: item for name, item in found.items() if isinstance(item, ImmtfError)}
    outputs = [item for item in found.values() if not isinstance(item, ImmtfError)]
    return {item.block: deployed_of(item) for item in outputs if item.is_deployed}, unread


def upgrade_steps(
    deployed: Mapping[str, Deployed],
    wanted: Mapping[str, Block],
    overrides: Overrides,
    tell: Listener,
    *,
    listed: bool = True,
    declared: Mapping[str, Collection[str]] | None = None,
) -> Sequence[Step]:
    """Return the steps of the upgrade in order; every block that is `wanted` is deployed. Nothing is begun where one would break another.

    `listed`: nothing is deployed but what is told. `declared` are the outputs in the HCL of those that others use. Raises
    `VersionsUnresolved` for what is refused, `UsageError` where the blocks are no graph.
    """
    ordering = order_upgrade(deployed, wanted)
    moving = [] if listed else [name for name, block in wanted.items() if changes_version(deployed[name], block)]
    unlisted = [judge_unlisted(moving, "upgraded")] if moving else []
    _refuse((*ordering.refusals, *judge_declared(wanted, declared or {}), *unlisted), overrides, tell)
    return ordering.steps


def refuse_missing(missing: Sequence[str], create: str) -> None:
    """Raise `PersonNeeded` where blocks that are to be upgraded aren't deployed; `create` is the command that makes them."""
    if missing:
        raise PersonNeeded(
            f"not deployed yet: {', '.join(missing)}", next=f"`{create}` makes what isn't there; or name the others with --only"
        )


def _refuse(refusals: Sequence[Refusal], overrides: Overrides, tell: Listener) -> None:
    left = []
    for item in refusals:
        if reason := overrides.reason(item.check):
            tell(CheckOverridden("", item.check, f"{', '.join(item.addresses)} {item.what}", reason))
        else:
            left.append(item)
    if left:
        raise VersionsUnresolved(
            "refused before anything was touched: " + "; ".join(f"{item.check}: {', '.join(item.addresses)} {item.what}" for item in left),
            next="; ".join(dict.fromkeys(f"{item.mend}{way_past(item.check)}" for item in left)),
        )
