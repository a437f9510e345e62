from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from immtf.model.event_record import event_name, to_record
from immtf.report.record import EVENTS, encode, stamp
from immtf.report.schema import _schema, events_schema, schema_text
from tests.unit.report.examples import EXAMPLES, START

DOCS = Path(__file__).parents[3] / "docs"


def record_of(event: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(encode(to_record(event, run="r1", seq=1, at=stamp(START))))
    return record


def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(events_schema())
    return jsonschema.Draft202012Validator(events_schema())


def test_the_published_schema_is_the_one_of_the_dataclasses() -> None:
    published = (DOCS / "events.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write immtf.report.schema.schema_text() to docs/events.schema.json"


def test_the_documentation_names_every_event() -> None:
    text = (DOCS / "events.md").read_text(encoding="utf-8")
    assert [name for name in EVENTS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("event", EXAMPLES, ids=event_name)
def test_each_event_fits_its_branch_and_no_other(event: Any) -> None:
    check = validator()
    record = record_of(event)
    check.validate(record)
    assert not check.is_valid(record | {"extra": 1})
    assert not check.is_valid(record | {"seq": 0})
    assert not check.is_valid({key: value for key, value in record.items() if key != list(record)[-1]})


def test_what_is_not_known_is_null_and_nothing_else() -> None:
    check = validator()
    record = record_of(EXAMPLES[-1])
    assert check.is_valid(record | {"writes_lost": None})
    assert not check.is_valid(record | {"writes_lost": "none"})


def test_rows_are_described_once_and_referred_to() -> None:
    schema = events_schema()
    assert schema["$defs"]["plan_made"]["properties"]["rows"]["items"] == {"$ref": "#/$defs/PlanRow"}
    assert schema["$defs"]["PlanRow"]["additionalProperties"] is False
    assert len(schema["oneOf"]) == len(EVENTS)


def test_types_that_no_event_has_yet_are_described_or_refused() -> None:
    assert _schema(Literal["info", "warning"], {}) == {"enum": ["info", "warning"]}
    with pytest.raises(TypeError, match="no fields of type"):
        _schema(set[str], {})
