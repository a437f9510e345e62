"""What `reap` may take: nothing that doesn't say both, letter by letter, that it is a test's and that its time is past."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import UsageError
from immtf.model.cloud import Stray
from immtf.model.lease import Holder, LeaseRecord
from immtf.model.reaping import KINDS, Found, Record
from immtf.plan.lease import freed
from immtf.plan.reaping import (
    GRACE_S,
    LOCK_S,
    Fate,
    View,
    fate_of,
    fate_of_record,
    is_renewed,
    is_trial,
    life_s,
    locked_by,
    may_hold,
    moment,
    new_record,
    read_record,
    reapable,
    record_text,
    spared,
    stamp,
    tags_of,
)

NOW = 1_800_000_000.0
PAST, FUTURE = stamp(NOW - 1), stamp(NOW + 1)
NAME = "t-0123abcd"
TAGS = {"immtf:class": "test", "immtf:environment": NAME, "immtf:expires": PAST}
OVER = View(NOW, (), (NAME,))
TRIAL = {"immtf:block": "image-consul", "immtf:environment": NAME, "immtf:expires": PAST, "immtf:image": "ami-1"}

words = st.sampled_from(
    ["", "test", "Test", "test ", "production", "*", PAST, FUTURE, "2020-01-01", "soon", NAME, "t-*", "image-consul", "ami-1"]
)
tag_sets = st.dictionaries(st.sampled_from([*TRIAL, *TAGS, "Immtf:Class", "immtf:expires "]), words, max_size=5)


@given(tag_sets, st.sampled_from([(), (NAME,)]))
def test_nothing_goes_that_is_not_a_test_s_and_past_its_time(tags: dict[str, str], at_work: tuple[str, ...]) -> None:
    """F43: whatever else its tags say."""
    goes = fate_of(tags, View(NOW, at_work, (NAME, ""))).goes
    test = tags.get("immtf:class") == "test" or ("immtf:class" not in tags and tags.get("immtf:image", "") != "")
    assert goes <= (test and tags.get("immtf:expires") == PAST and tags.get("immtf:environment", "") not in at_work)


@given(st.floats(min_value=0, max_value=4e9), st.floats(min_value=0, max_value=4e9))
def test_the_time_decides_and_nothing_else(expires: float, now: float) -> None:
    """F48: by the clock that is handed in."""
    at = moment(stamp(expires))
    assert at is not None
    assert at <= expires < at + 1
    tags = {**TAGS, "immtf:expires": stamp(expires)}
    assert fate_of(tags, View(now, (), (NAME,))).goes == (at < now)
    assert fate_of(tags, View(now)).goes == (at < now - GRACE_S), "without a record an hour later"


def test_what_a_test_and_what_an_image_s_trial_left_goes() -> None:
    """F43."""
    assert fate_of(TAGS, OVER) == Fate(goes=True, why=f"its time was over at {PAST}")
    assert fate_of(TRIAL, View(NOW, blind=True)).goes, "it has no record"
    assert is_trial(TRIAL)


@pytest.mark.parametrize("lacks", [*TRIAL])
def test_a_trial_is_known_by_all_of_its_tags(lacks: str) -> None:
    """F43."""
    assert not fate_of({name: value for name, value in TRIAL.items() if name != lacks}, OVER).goes
    assert not fate_of({**TRIAL, "immtf:class": "production"}, OVER).goes


@pytest.mark.parametrize(
    ("tags", "at_work", "told"),
    [
        ({"immtf:expires": PAST}, (), False),
        ({**TAGS, "immtf:class": "production"}, (), False),
        ({**TAGS, "immtf:expires": FUTURE}, (), False),
        ({**TAGS, "immtf:expires": stamp(NOW)}, (), False),
        ({**TAGS, "immtf:expires": "2027-13-45T00:00:00Z"}, (), True),
        ({**TAGS, "immtf:expires": "tomorrow"}, (), True),
        ({**TAGS, "immtf:expires": ""}, (), True),
        (TAGS, (NAME,), True),
        ({**TAGS, "immtf:environment": "t-11111111"}, (), True),
        ({**TAGS, "immtf:environment": ""}, (), True),
    ],
    ids=["no class", "production", "not yet", "just now", "no date", "no time", "no end", "at work", "no record", "no name"],
)
def test_what_is_left_is_told_where_a_person_should_know(tags: dict[str, str], at_work: tuple[str, ...], told: bool) -> None:
    """F43."""
    view = View(NOW, at_work, (NAME,))
    fate = fate_of(tags, view)
    assert (fate.goes, fate.told) == (False, told)
    found = [Found("security-group", Stray("sg-1", "there", tags))]
    assert reapable(found, view) == ()
    texts = spared(found, view)
    assert len(texts) == int(told)
    assert all(text.startswith("security group sg-1 is left: ") for text in texts)


def test_of_many_only_those_go() -> None:
    found = [Found(kind, Stray(kind, "there", tags)) for kind in KINDS for tags in (TAGS, {**TAGS, "immtf:expires": FUTURE})]
    assert [item.kind for item in reapable(found, OVER)] == list(KINDS)


def test_a_record_comes_back_as_it_was_written() -> None:
    record = new_record(NAME, ("/b/base", "/b/consul"), at=NOW, life=60, definition="/e/staging.yaml")
    assert read_record(record_text(record)) == record
    assert tags_of(record) == {"immtf:environment": NAME, "immtf:class": "test", "immtf:expires": stamp(NOW + 60)}
    assert read_record(record_text(Record(kind="test", kept=True))).kept


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ('{"class": "test"}', Record(kind="test")),
        ("{}", Record(kind="")),
        ('{"class": "production", "blocks": 1}', Record(kind="production")),
    ],
)
def test_a_record_of_before_is_read_and_has_no_end(text: str, record: Record) -> None:
    assert read_record(text) == record
    assert tags_of(record) == {}
    assert not fate_of_record(record, NOW, running=False).goes


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"class": "test", "format": 2})])
def test_what_is_no_record_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_record(text)


@pytest.mark.parametrize(
    ("record", "running", "goes", "told"),
    [
        (Record(kind="test", environment=NAME, expires=PAST), False, True, False),
        (Record(kind="test", environment=NAME, expires=PAST), True, False, True),
        (Record(kind="test", environment=NAME, expires=FUTURE), False, False, False),
        (Record(kind="test", environment=NAME, expires="soon"), False, False, True),
        (Record(kind="production", environment=NAME, expires=PAST), False, False, False),
    ],
    ids=["over", "at work", "not yet", "no time", "production"],
)
def test_an_environment_goes_by_its_record(record: Record, running: bool, goes: bool, told: bool) -> None:
    """F43."""
    fate = fate_of_record(record, NOW, running=running)
    assert (fate.goes, fate.told) == (goes, told)


@pytest.mark.parametrize(("where", "goes"), [(NAME, True), ("production", False), ("", False)])
def test_a_record_that_names_another_environment_is_not_gone_by(where: str, goes: bool) -> None:
    """F43: as of a directory that was copied."""
    fate = fate_of_record(Record(kind="test", environment=NAME, expires=PAST), NOW, running=False, environment=where)
    assert (fate.goes, fate.told) == (goes, not goes)


def test_a_lease_tells_whether_its_holder_may_be_alive() -> None:
    """F43, F48: by how long it was seen unchanged."""
    lease = LeaseRecord(holder=Holder(run="r1", who="ada", command="test-create", pid=1, since="now"), token="x", ttl_s=60.0)
    assert [is_renewed(lease, seconds) for seconds in (0.0, 180.0, 181.0)] == [True, True, False]
    assert [is_renewed(None, seconds) for seconds in (181.0, 10_801.0)] == [True, False]
    assert not is_renewed(freed(lease), 0.0)


def test_what_no_record_was_seen_of_stays_where_not_all_could_be_looked_at() -> None:
    """F43: its record may be there, and tell otherwise."""
    long_over = {**TAGS, "immtf:expires": stamp(NOW - GRACE_S - 1)}
    assert fate_of(long_over, View(NOW)).goes
    blind = fate_of(long_over, View(NOW, blind=True))
    assert (blind.goes, blind.told) == (False, True)
    assert fate_of(TAGS, View(NOW, (), (NAME,), blind=True)).goes, "of this one it was seen"


LOCK = json.dumps({"ID": "1", "Who": "ada@here", "Created": "2027-01-15T08:00:00Z", "Operation": "OperationTypeApply"})


@pytest.mark.parametrize(
    ("lock", "age_s", "here", "held"),
    [
        (LOCK, LOCK_S, "", True),
        (LOCK, LOCK_S + 1, "", False),
        (LOCK, 0.0, "here", False),
        (LOCK, 0.0, "there", True),
        ("?", LOCK_S, "here", True),
        ("{}", LOCK_S + 1, "", False),
    ],
    ids=["young", "old", "this machine's", "another's", "whose isn't told", "old and nobody's"],
)
def test_a_lock_of_terraform_s_goes_when_nobody_can_hold_it(lock: str, age_s: float, here: str, held: bool) -> None:
    """F43: on this machine no Terraform is at work there, elsewhere it would have ended long ago."""
    assert bool(may_hold(lock, age_s, here=here)) is held
    assert locked_by(lock) == ("ada@here since 2027-01-15T08:00:00Z (OperationTypeApply)" if lock == LOCK else "somebody it doesn't name")


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("6h", 21600), ("2d", 172800), ("1h30m", 5400), ("0.5s", 0.5)])
def test_a_time_to_live_is_read(text: str, seconds: float) -> None:
    assert life_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0h", "6", "h", "-1h", "6 h", "31d", "1w"])
def test_what_is_no_time_to_live_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no time to live"):
        life_s(text)
