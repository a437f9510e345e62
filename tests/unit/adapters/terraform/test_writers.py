from __future__ import annotations

import pytest

from immtf.adapters.terraform.writers import refuse_newer, writer
from immtf.errors import ToolMissing


@pytest.mark.parametrize(("text", "told"), [('{"terraform_version": "1.2.3"}', "1.2.3"), ("", ""), ("{}", ""), ("[]", ""), ("torn {", "")])
def test_who_wrote_a_state(text: str, told: str) -> None:
    assert writer(text) == told


@pytest.mark.parametrize(("theirs", "ours"), [("1.11.4", "1.11.0"), ("1.9.9", "1.11.0"), ("0.15.5", "1.0.0"), ("", "1.0.0"), ("x", "")])
def test_not_newer_or_not_known(theirs: str, ours: str) -> None:
    """F50: a newer patch of the same minor version changes nothing in a state."""
    refuse_newer(theirs, ours, program="terraform", where="s")


@pytest.mark.parametrize(("theirs", "ours"), [("1.12.0", "1.11.4"), ("2.0.0-rc1", "1.11.4"), ("1.10.0", "1.9.9")])
def test_newer(theirs: str, ours: str) -> None:
    """F50."""
    with pytest.raises(ToolMissing) as refused:
        refuse_newer(theirs, ours, program="tofu", where="s")
    assert f"tofu {theirs}, and this is tofu {ours}" in refused.value.what
    assert refused.value.next == f"use tofu {theirs.rpartition('.')[0]} or newer"
