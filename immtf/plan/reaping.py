"""What `reap` may take away: what a test made, and whose time is over. Everything else is left alone, whatever it looks like.

Both have to be said, letter by letter: that it is a test's (the tag `immtf:class`, or the tags of an image's trial), and a time that is
past (`immtf:expires`). "Past" is by the clock of the API that is asked, not of the machine that asks (F48): the caller hands it in. A
time that can't be read is no time: what bears it is told, and left. So is what belongs to a test that is still at work, even past its time.

Whether a test is at work is known by its leases, and those are beside its record. What is found by its tags only, of an environment whose
record nobody saw, goes an hour later: by then its test, which ends itself when its time is over, has destroyed it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from immtf.errors import UsageError
from immtf.model.environment import CLASS, EXPIRES
from immtf.model.reaping import Record
from immtf.plan.lease import LONGEST_TTL_S
from immtf.plan.sweep import BLOCK, ENVIRONMENT, GENERATED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from immtf.model.lease import LeaseRecord
    from immtf.model.reaping import Found

FORMAT = 1  # of the record
TEST = "test"
TRIAL_BLOCK, TRIAL_IMAGE = "image-", "immtf:image"  # how an image's trial names its block, and the tag of the image that is tried
LONGEST_S = 30 * 86400.0
PATIENCE = 3  # times to live of a lease
GRACE_S = 3600.0  # for a test to destroy what it made, where nobody sees whether it is at it
LOCK_S = 3600.0  # how old a lock of Terraform's is that nobody can hold any more, when the run's own lease is dead: longer than an apply
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LIFE = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def life_s(text: str) -> float:
    """Return the seconds of a time to live, such as `90m`, `6h` or `2d`. Raises `UsageError` for what is none, or too long a one."""
    found = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)([dhms])", text)) if _LIFE.fullmatch(text) else 0.0
    if not 0 < found <= LONGEST_S:
        raise UsageError(f"{text!r} is no time to live", where="--ttl", next="write it as 90m, 6h or 2d; 30d at most")
    return found


def stamp(at: float) -> str:
    """Return a time, in seconds since 1970, as tags and records have it."""
    return datetime.fromtimestamp(int(at), UTC).strftime(_TIME)


def moment(text: str) -> float | None:
    """Return the seconds since 1970 of a time as tags and records have it; None for anything else."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def new_record(environment: str, blocks: tuple[str, ...], *, at: float, life: float, definition: str = "") -> Record:
    """Return the record of a test environment that begins now, `at` seconds since 1970 by the API's clock, and lasts `life` seconds."""
    return Record(kind=TEST, environment=environment, created=stamp(at), expires=stamp(at + life), blocks=blocks, definition=definition)


def record_text(record: Record) -> str:
    """Return a record as its file has it."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "class": record.kind,
        "environment": record.environment,
        "created": record.created,
        "expires": record.expires,
        "blocks": list(record.blocks),
    }
    more = {"definition": record.definition, "kept": record.kept}
    return json.dumps(document | {name: value for name, value in more.items() if value}, indent=2) + "\n"


def read_record(text: str) -> Record:
    """Read a record; what only tells a class is one too. Raises `ValueError` where it can't be read, or is of a later immtf's format."""
    document: Any = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - as all else that is wrong with its text
    if document.get("format", FORMAT) != FORMAT:
        raise ValueError(f"its format is {document['format']}, and this immtf reads {FORMAT}")
    blocks = document.get("blocks") or []
    return Record(
        kind=str(document.get("class") or ""),
        environment=str(document.get("environment") or ""),
        created=str(document.get("created") or ""),
        expires=str(document.get("expires") or ""),
        blocks=tuple(map(str, blocks)) if isinstance(blocks, list) else (),
        definition=str(document.get("definition") or ""),
        kept=document.get("kept") is True,
    )


def tags_of(record: Record) -> Mapping[str, str]:
    """Return the tags that everything in a test environment bears; none where the record is of no test, or has no end."""
    if record.kind != TEST or not record.environment or moment(record.expires) is None:
        return {}
    return {ENVIRONMENT: record.environment, CLASS: record.kind, EXPIRES: record.expires}


@dataclass(frozen=True)
class Fate:
    """Whether something goes; where not, `why`, and whether a person is told of it (`told`)."""

    goes: bool
    why: str = ""
    told: bool = False


def fate_of_record(record: Record, now: float, *, running: bool = False, environment: str | None = None) -> Fate:
    """Decide on an environment by its record, which stands where that of `environment` does: a copy of another's is not its own."""
    if record.kind != TEST:
        return Fate(goes=False, why="it is no test's")
    if not record.expires:
        return Fate(goes=False, why="it has no time to live")
    if environment is not None and record.environment != environment:
        return Fate(goes=False, why=f"its record is another environment's: {record.environment or 'it names none'}", told=True)
    return _by_time(record.expires, now, running=running)


@dataclass(frozen=True)
class View:
    """What a reap knows when it judges a thing in the cloud: `now` is by the API's clock, in seconds since 1970.

    `stays` are the environments that are at work, or not over by their records; `goes` those that are over by theirs, and whose leases are
    held. `blind`: not all the places could be read where records may be.
    """

    now: float
    stays: Collection[str] = ()
    goes: Collection[str] = ()
    blind: bool = False


def fate_of(tags: Mapping[str, str], view: View) -> Fate:
    """Decide on a thing in the cloud by its tags."""
    trial = is_trial(tags)
    if tags.get(CLASS) != TEST and not trial:
        return Fate(goes=False, why="it is no test's")
    if not tags.get(EXPIRES):
        return Fate(goes=False, why=f"it has no tag {EXPIRES}", told=True)
    environment = tags.get(ENVIRONMENT, "")
    why = "its test is still at work, or its record tells otherwise"
    fate = _by_time(tags[EXPIRES], view.now, running=environment in view.stays, why=why)
    if not fate.goes or trial or environment in view.goes:
        return fate
    if view.blind:
        return Fate(goes=False, why=f"{fate.why}, and its record may be where nothing could be read", told=True)
    if not _by_time(tags[EXPIRES], view.now - GRACE_S, running=False).goes:
        return Fate(goes=False, why=f"{fate.why}, and without a record its test has an hour more to destroy it", told=True)
    return fate


def may_hold(lock: str, age_s: float, *, here: str) -> str:
    """Return whose lock of Terraform's this is, where somebody may hold it still; "" where nobody can.

    `here` is this machine's name, where no Terraform is at work in the environment's work trees; "" where nobody knows.
    """
    who = locked_by(lock)
    if age_s > LOCK_S or (here and who.partition(" ")[0].rpartition("@")[2] == here):
        return ""
    return f"of {who}, {age_s / 60:.0f} minutes old: it is removed when it is {LOCK_S / 60:.0f}"


def locked_by(lock: str) -> str:
    """Return who took a lock of Terraform's, since when and for what, as the lock itself tells."""
    try:
        told = json.loads(lock)
        return f"{told['Who']} since {told['Created']} ({told['Operation']})"
    except (ValueError, KeyError, TypeError):
        return "somebody it doesn't name"


def is_renewed(lease: LeaseRecord | None, unchanged_s: float) -> bool:
    """Return whether whoever holds a lease may be alive, which was seen unchanged for so long; None is one that can't be read.

    Patient, as nobody waits for the answer: a holder renews its lease several times in a time-to-live.
    """
    if lease is not None and lease.free:
        return False
    return unchanged_s <= PATIENCE * (lease.ttl_s if lease else LONGEST_TTL_S)


def is_trial(tags: Mapping[str, str]) -> bool:
    """Return whether something was made for the trial of an image: by all of the tags that such a thing has."""
    return (
        CLASS not in tags
        and tags.get(BLOCK, "").startswith(TRIAL_BLOCK)
        and bool(tags.get(TRIAL_IMAGE))
        and bool(GENERATED.fullmatch(tags.get(ENVIRONMENT, "")))
    )


def reapable(found: Iterable[Found], view: View) -> tuple[Found, ...]:
    """Return what goes of what was found."""
    return tuple(item for item in found if fate_of(item.stray.tags, view).goes)


def spared(found: Iterable[Found], view: View) -> tuple[str, ...]:
    """Return, in a sentence each, what is left and why a person should know of it."""
    fates = ((item, fate_of(item.stray.tags, view)) for item in found)
    return tuple(f"{item} is left: {fate.why}" for item, fate in fates if not fate.goes and fate.told)


def _by_time(expires: str, now: float, *, running: bool, why: str = "its test is still at work") -> Fate:
    at = moment(expires)
    if at is None:
        return Fate(goes=False, why=f"its end {expires!r} is no time", told=True)
    if at >= now:
        return Fate(goes=False, why=f"its time is not over before {expires}")
    if running:
        return Fate(goes=False, why=f"its time was over at {expires}, and {why}", told=True)
    return Fate(goes=True, why=f"its time was over at {expires}")
