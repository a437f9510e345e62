"""What may be swept: which environment at all, and what in it. Everything else is left alone, whatever it looks like.

A Terraform that is killed may have made an instance that no state knows of (F43): the destroy of a test environment would leave it.
Only a test's environment is swept, whose name was made up for this very run, so that nothing of anybody else's can bear it; and in
it only what carries both of its tags, the block's and the environment's, letter by letter. A filter of the cloud's API takes `*` and `?`
for wildcards: what it found is compared once more here. What is left when all blocks of a test are destroyed may be of any of them: then
the tag that it is a test's stands for the block's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from immtf.model.environment import CLASS
from immtf.plan.snapshots import RUN_TAG

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from immtf.model.cloud import Stray

GENERATED = re.compile(r"t-[0-9a-f]{8}")  # the names that immtf makes up
BLOCK, ENVIRONMENT = "immtf:block", "immtf:environment"


def sweep_tags(block: str, environment: str, *, is_test: bool, generated: bool) -> Mapping[str, str]:
    """Return the tags of what may be swept; none where this environment may not be.

    `generated`: the name was made up for this run; a name that only looks so, because a person gave it, doesn't count.
    """
    if not (block and is_test and generated and GENERATED.fullmatch(environment)):
        return {}
    return {BLOCK: block, ENVIRONMENT: environment}


def whole_tags(environment: str, *, is_test: bool, generated: bool) -> Mapping[str, str]:
    """Return the tags of what may be swept of a whole test environment, whatever its block; none where it may not be."""
    return {ENVIRONMENT: environment, CLASS: "test"} if sweep_tags("any", environment, is_test=is_test, generated=generated) else {}


def sweepable_snapshots(found: Iterable[Stray], tags: Mapping[str, str]) -> tuple[Stray, ...]:
    """Return the same of snapshots: besides, each must tell which run of immtf took it. What a person took by hand is theirs."""
    return tuple(item for item in sweepable(found, tags) if item.tags.get(RUN_TAG))


def sweepable(found: Iterable[Stray], tags: Mapping[str, str], keep: Collection[str] = ()) -> tuple[Stray, ...]:
    """Return what may be taken away of what was found: it carries both tags, exactly, and is not among the ids to keep."""
    if not ((tags.get(BLOCK) or tags.get(CLASS) == "test") and GENERATED.fullmatch(tags.get(ENVIRONMENT, ""))):
        return ()
    return tuple(item for item in found if item.identity not in keep and all(item.tags.get(key) == value for key, value in tags.items()))
