"""F9: what is kept is as the apply found it or as it left it, or somebody else was there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from immtf.adapters.terraform.succession import follows


def make_state(outputs: dict[str, Any] | None = None, **ids: str) -> str:
    """Return a state with an instance for each node named, by id."""
    rows = [
        {"module": f'module.server["{key}"]', "mode": "managed", "type": "aws_instance", "name": "this", "instances": [_object(identity)]}
        for key, identity in ids.items()
    ]
    return json.dumps({"version": 4, "serial": 1, "lineage": "one", "resources": rows, "outputs": outputs or {}})


def _object(identity: str) -> dict[str, Any]:
    return {"schema_version": 1, "attributes": {"id": identity}}


BEFORE, LEFT = make_state(a="i-old", b="i-b", gone="i-g"), make_state({"o": 2}, a="i-new", b="i-b", more="i-m")


@pytest.mark.parametrize(
    "there",
    [BEFORE, LEFT, make_state(b="i-b"), make_state(a="i-new", b="i-b", gone="i-g"), make_state({"o": 2}, a="i-old", b="i-b", more="i-m")],
    ids=["nothing saved", "all", "in the middle of a replacement", "one object", "others"],
)
def test_what_the_apply_itself_may_have_saved(there: str) -> None:
    assert follows(LEFT, there, BEFORE)


@pytest.mark.parametrize(
    "there",
    [
        make_state(a="i-third", b="i-b", gone="i-g"),
        make_state(a="i-old", gone="i-g"),
        make_state(a="i-old", b="i-b", gone="i-g", other="i-o"),
        make_state({"o": 3}, a="i-old", b="i-b", gone="i-g"),
        make_state(a="i-old", b="i-changed", gone="i-g"),
    ],
    ids=["another instance", "one taken away", "one more", "an output", "one changed"],
)
def test_what_another_run_saved(there: str) -> None:
    assert not follows(LEFT, there, BEFORE)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"resources": [{"instances": [{}]}]}', '{"resources": 3}'])
def test_what_is_no_state_proves_nothing(text: str) -> None:
    assert not follows(LEFT, BEFORE, text)
    assert not follows(LEFT, text, BEFORE)
    assert not follows(text, BEFORE, BEFORE)
