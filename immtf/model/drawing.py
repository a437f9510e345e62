"""An infrastructure as it is drawn: its blocks in stages, what they require, and how they stand in an environment that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mood = Literal["plain", "good", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a block requires of another: `version` is what that one comes to here, `fits` whether the constraint lets it through.

    `version` is "" where nobody knows: the other block is neither here nor known to be deployed. `is_drawn`: the other one is in the
    drawing, if it is known at all.
    """

    name: str
    constraint: str
    version: str
    fits: bool
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node and how it is: `words` say it, "" where there is nothing more to say than that it is well."""

    name: str
    mood: Mood
    words: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a block stands in an environment: `version` as deployed, "" where it isn't known; `problem` is why something isn't known.

    `is_deployed` is None where its state can't be read: it may be there in any version, or not at all.
    """

    is_deployed: bool | None
    version: str = ""
    problem: str = ""
    nodes: tuple[DrawnNode, ...] = ()


@dataclass(frozen=True, slots=True)
class DrawnBlock:
    """A block in its stage, from 0; `version` is its file's, "" where no file here is of it.

    `standing` is None where no environment was looked at.
    """

    name: str
    version: str
    stage: int
    needs: tuple[Need, ...] = ()
    standing: Standing | None = None

    @property
    def mood(self) -> Mood:
        """How it is on the whole: the worst of what is known of it; not deployed is no illness."""
        standing = self.standing
        if standing is None or standing.is_deployed is False:
            return "plain"
        moods = {node.mood for node in standing.nodes}
        if "bad" in moods:
            return "bad"
        if standing.problem or not standing.version or "unknown" in moods:
            return "unknown"
        return "good" if moods else "plain"


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, in order; `title` says what it is of."""

    blocks: tuple[DrawnBlock, ...]
    title: str = ""

    def stages(self) -> tuple[tuple[DrawnBlock, ...], ...]:
        """Return the blocks by stage."""
        found: dict[int, list[DrawnBlock]] = {}
        for block in self.blocks:
            found.setdefault(block.stage, []).append(block)
        return tuple(tuple(found[stage]) for stage in sorted(found))
