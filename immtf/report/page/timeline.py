"""Where everything of a run's picture stands: a lane an owner, time from left to right. Sizes are pixels; nothing is drawn here.

Every text's length is given beside it, so that it takes that room in whatever font there is, and no text is placed where another stands.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from immtf.report.wording import clock, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.report.page.account import Account, Calls, NodeLine, Phase, Writes

WIDTH: Final = 1000.0
GUTTER: Final = 190.0
PLOT: Final = WIDTH - GUTTER - 12
CHAR: Final = 6.6  # the width of one character at the size of 11
SMALL: Final = 5.4  # at the size of 9
LEVEL: Final = 18.0
BAR: Final = 14.0
HEAD: Final = 26.0
GAP: Final = 8.0
TINTS: Final = 6
WRITES: Final = 44.0
LANES: Final = 400
_MOST_TICKS: Final = 9
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_LONGEST_S: Final = 1e9
_SILENT_S: Final = 2.0
_GAP_S: Final = 0.5  # shorter ones are the pace of a client's writes


@dataclass(frozen=True, slots=True)
class Word:
    """A text with its room: its left end, its baseline, its length and its height."""

    text: str
    x: float
    y: float
    length: float
    size: int = 11

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The room that it takes: left, upper, right and lower side."""
        return self.x, self.y - self.size * 0.8, self.x + self.length, self.y + self.size * 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """A box: what it stands for, its tint (a number, or a word of the style), and how it ended."""

    x: float
    y: float
    width: float
    height: float
    tint: str
    title: str = ""
    halted: bool = False


@dataclass(slots=True)
class Lane:
    """What one owner did: its boxes and words."""

    owner: str
    y: float
    height: float = 0.0
    bars: list[Bar] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    curve: str = ""


@dataclass(slots=True)
class Timeline:
    """The picture's lanes and ticks; `total_s` is what its width stands for, `summary` the picture in a sentence."""

    total_s: float
    summary: str = ""
    height: float = HEAD
    lanes: list[Lane] = field(default_factory=list)
    ticks: list[tuple[float, Word]] = field(default_factory=list)
    key: list[tuple[Bar, Word]] = field(default_factory=list)
    floor: float = 0.0

    def x(self, second: float) -> float:
        """Return where a moment stands."""
        return GUTTER + min(1.0, max(0.0, second / self.total_s)) * PLOT


def draw(known: Account, *, total_s: float = 0.0) -> Timeline:
    """Return the picture of a run; `total_s` makes it as wide as another's, so that the two can be compared by eye."""
    ends = [phase.begin_s + phase.seconds for phase in known.phases]
    picture = Timeline(min(_LONGEST_S, max([total_s, known.told_s, *ends, 0.001])))
    _ticks(picture)
    tints = _tints(known.phases)
    by_owner: dict[str, list[Phase]] = defaultdict(list)
    for phase in known.phases:
        by_owner["" if phase.kind == "stage" and not phase.owner else phase.owner or " "].append(phase)
    lines = {line.node: line for line in known.nodes}
    asked = {streak.owner or " " for streak in known.streaks}
    owners = [*by_owner, *(owner for owner in asked if owner not in by_owner)]
    for owner in sorted(owners, key=lambda owner: (owner.strip() != "", owner == " ")):
        _lane(picture, known, owner, by_owner[owner], lines.get(owner), tints)
    if len(known.calls) > 1:
        _calls_lane(picture, known.calls)
    for owner in dict.fromkeys(report.owner for report in known.writes):
        _writes_lane(picture, owner, [report for report in known.writes if report.owner == owner])
    picture.floor = picture.height
    _key(picture, tints)
    picture.summary = f"{len(known.phases)} phases of {len(by_owner)} owners in {duration(known.told_s)}, from left to right"
    return picture


def _ticks(picture: Timeline) -> None:
    step = next((step for step in _STEPS if picture.total_s / step <= _MOST_TICKS), 0) or picture.total_s / _MOST_TICKS
    for number in range(int(picture.total_s / step) + 1):
        x, text = picture.x(number * step), clock(number * step)
        word = Word(text, min(x, WIDTH - CHAR * len(text)), HEAD - 10, CHAR * len(text))
        if not picture.ticks or word.x > picture.ticks[-1][1].box[2]:
            picture.ticks.append((x, word))


def _tints(phases: Sequence[Phase]) -> dict[str, int]:
    """Return the number of each step's name: it stands in boxes that have no room for the name, and gives the tint."""
    return {name: number for number, name in enumerate(dict.fromkeys(phase.name for phase in phases if phase.kind == "step"), 1)}


def _key(picture: Timeline, tints: dict[str, int]) -> None:
    """Add what each number stands for, in as many lines as that takes."""
    x, y = 0.0, picture.height + 2 * GAP
    for name, number in tints.items():
        word = _fitted(f"{number} {name}", x + 14, y + 9, WIDTH / 2, CHAR)
        if x and word.box[2] > WIDTH:
            x, y = 0.0, y + LEVEL
            word = replace(word, x=14, y=y + 9)
        picture.key.append((Bar(x, y, 10, 10, _tint(number)), word))
        x = word.box[2] + 2 * CHAR
    picture.height = y + LEVEL if tints else picture.height


def _tint(number: int) -> str:
    return str(number % TINTS)


def _lane(picture: Timeline, known: Account, owner: str, phases: Sequence[Phase], line: NodeLine | None, tints: dict[str, int]) -> None:
    lane = Lane(owner.strip() or ("the cluster" if owner else "stages"), picture.height + GAP)
    levels: list[float] = []
    for phase in sorted(phases, key=lambda phase: (phase.begin_s, -phase.seconds)):
        level = next((place for place, free in enumerate(levels) if free <= phase.begin_s + 1e-6), len(levels))
        levels[level : level + 1] = [phase.begin_s + phase.seconds]
        _bar(picture, lane, phase, level, tints.get(phase.name, 0) if phase.kind == "step" else 0)
    below = lane.y + LEVEL * len(levels)
    streaks = [streak for streak in known.streaks if (streak.owner or " ") == owner]
    for streak in streaks:
        high = 3.0 if streak.held else 7.0
        title = f"gates asked {streak.asked} times: {'held' if streak.held else 'did not hold'}"
        x = picture.x(streak.begin_s)
        lane.bars.append(Bar(x, below + 7 - high, max(2.0, picture.x(streak.end_s) - x), high, "g" if streak.held else "b", title))
    below += 9 if streaks else 0
    told = _told(line)
    if line is not None and line.away_s and line.end_s is not None:
        x = picture.x(line.end_s - line.away_s)
        lane.bars.append(Bar(x, below, max(1.0, picture.x(line.end_s) - x), 3.0, "a", f"{lane.owner} away for {duration(line.away_s)}"))
        below += 4
    lane.height = max(below - lane.y, 26.0 if told else LEVEL)
    lane.words.insert(0, _fitted(lane.owner, 0.0, lane.y + 11, GUTTER - 10, CHAR))
    if told:
        lane.words.insert(1, _fitted(told, 0.0, lane.y + 23, GUTTER - 10, SMALL, 9))
    _add(picture, lane)


def _add(picture: Timeline, lane: Lane) -> None:
    picture.height = lane.y + lane.height
    picture.lanes.append(lane)


def _told(line: NodeLine | None) -> str:
    if line is None:
        return ""
    parts = [line.how if line.seconds is None else duration(line.seconds)]
    return ", ".join([*parts, f"away {duration(line.away_s)}"] if line.away_s else parts)


def _bar(picture: Timeline, lane: Lane, phase: Phase, level: int, number: int) -> None:
    x, y = picture.x(phase.begin_s), lane.y + LEVEL * level
    width = max(1.0, picture.x(phase.begin_s + phase.seconds) - x)
    halted = phase.how == "halted"
    long = f"{phase.name} {duration(phase.seconds)}"
    lane.bars.append(Bar(x, y, width, BAR, _tint(number) if number else "s", f"{long}{', did not end' if halted else ''}", halted))
    sign = "✗ " if halted else ""
    for text in (sign + long, sign + phase.name, *([str(number)] if number else [])):
        room = CHAR * len(text)
        if room + 3 <= width:
            lane.words.append(Word(text, x + min(3.0, (width - room) / 2), y + 11, room))
            return


def _fitted(text: str, x: float, y: float, room: float, char: float, size: int = 11) -> Word:
    most = int(room / char)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return Word(short, x, y, char * len(short), size)


def _calls_lane(picture: Timeline, calls: Sequence[Calls]) -> None:
    """Draw AWS calls a second between the ends of two steps as a curve."""
    _add(picture, _rates_lane(picture, "AWS calls", [(count.at_s, count.aws_calls) for count in calls]))


def _rates_lane(picture: Timeline, owner: str, counts: Sequence[tuple[float, int]]) -> Lane:
    """Return a lane with a curve of how many a second there were between two counts, each with its moment; a count that falls is none."""
    lane = Lane(owner, picture.height + GAP, WRITES + 14)
    floor = lane.y + lane.height
    rates = [(since, until, (after - before) / (until - since)) for (since, before), (until, after) in pairwise(counts) if until > since]
    rates = [(since, until, rate) for since, until, rate in rates if rate >= 0]
    most = max((rate for *_, rate in rates), default=0.0)
    points = (
        [(picture.x(second), floor - WRITES * rate / most) for since, until, rate in rates for second in (since, until)] if most else []
    )
    lane.curve = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
    lane.words += [
        _fitted(lane.owner, 0.0, lane.y + 11, GUTTER - 10, CHAR),
        _fitted(f"at most {most:.1f} a second", 0.0, lane.y + 23, GUTTER - 10, SMALL, 9),
    ]
    return lane


def _writes_lane(picture: Timeline, owner: str, reports: Sequence[Writes]) -> None:
    """Draw writes a second between two reports as a curve, and a box for each gap."""
    lane = _rates_lane(picture, f"writes {owner}".strip(), [(report.at_s, report.acknowledged) for report in reports])
    free = GUTTER
    for gap in gaps(reports):
        x = picture.x(gap.since_s)
        lane.bars.append(Bar(x, lane.y + 14, max(2.0, picture.x(gap.until_s) - x), WRITES, "b", f"{duration(gap.seconds)} without a write"))
        text = duration(gap.seconds)
        if x >= free and x + CHAR * len(text) <= WIDTH:
            lane.words.append(Word(text, x, lane.y + 10, CHAR * len(text)))
            free = x + CHAR * (len(text) + 1)
    _add(picture, lane)


@dataclass(frozen=True, slots=True)
class WriteGap:
    """A time without an acknowledged write, which lies somewhere between two moments."""

    owner: str
    since_s: float
    until_s: float
    seconds: float


def gaps(reports: Sequence[Writes]) -> list[WriteGap]:
    """Return each gap of half a second and more: of those between two reports of a client the longest, one that goes on as one."""
    found: list[WriteGap] = []
    longest: dict[str, float] = {}
    last_ack: dict[str, float] = {}
    for report in reports:
        ack = max(0.0, report.at_s - report.since_ack_s)
        since = last_ack.get(report.owner, 0.0)
        seconds = max(report.recent_gap_s, report.gap_s if report.gap_s > longest.get(report.owner, 0.0) else 0.0)
        if seconds >= _GAP_S:
            until = report.at_s if report.since_ack_s >= seconds else ack
            gap = WriteGap(report.owner, min(since, report.at_s), max(until, min(since, report.at_s)), seconds)
        elif report.since_ack_s >= _SILENT_S:
            gap = WriteGap(report.owner, ack, report.at_s, report.since_ack_s)
        else:
            gap = None
        if gap is not None:
            goes_on = found and found[-1].owner == gap.owner and gap.since_s < found[-1].until_s
            found[-1 if goes_on else len(found) :] = [gap]
        longest[report.owner] = max(longest.get(report.owner, 0.0), report.gap_s)
        last_ack[report.owner] = ack
    return found
