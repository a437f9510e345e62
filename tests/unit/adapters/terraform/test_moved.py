from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform.moved import moved, recorded
from immtf.model.environment import Backend

if TYPE_CHECKING:
    from pathlib import Path

ONE = Backend("s3", {"bucket": "b", "key": "one", "profile": "p"})
OTHER = Backend("s3", {"bucket": "b", "key": "other"})


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, ONE, ""),
        (ONE, None, ""),
        (ONE, Backend("s3", {"bucket": "b", "key": "one", "encrypt": True}), ""),
        (ONE, OTHER, "it was s3 (bucket b, key one), it is s3 (bucket b, key other); nothing was moved"),
        (Backend("local", {"path": "/x"}), ONE, "it was local (path /x), it is s3 (bucket b, key one)"),
    ],
)
def test_a_state_that_is_looked_for_elsewhere_is_told(before: Backend | None, now: Backend | None, told: str) -> None:
    assert told in moved(before, now)
    assert bool(told) == bool(moved(before, now))


@pytest.mark.parametrize("data", [".terraform", "elsewhere"])
def test_the_backend_is_read_as_init_wrote_it_down(tmp_path: Path, data: str) -> None:
    record = tmp_path / data / "terraform.tfstate"
    environment = {"TF_DATA_DIR": data} if data != ".terraform" else {}
    assert recorded(tmp_path, environment) is None
    record.parent.mkdir()
    for text in ("", "[]", "{}", '{"backend": null}', '{"backend": {"type": "s3", "config": null}}'):
        record.write_text(text)
        assert recorded(tmp_path, environment) is None
    record.write_text(json.dumps({"backend": {"type": "s3", "config": {"bucket": "b", "key": "other", "acl": None}}}))
    assert recorded(tmp_path, environment) == OTHER
