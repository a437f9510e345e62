"""A test's environment whose Terraform was killed half way: what it lost is found by its tags and goes as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.lab import client
from tests.lab.cloud import Cloud
from tests.lab.points import makes_instance

if TYPE_CHECKING:
    from tests.lab.rehearsal import Rehearsal


@pytest.mark.lab(minutes=2)
def test_what_a_killed_terraform_made_is_swept(rehearsal: Rehearsal) -> None:
    """F43: SIGKILL for Terraform while it makes the instances of a new environment; the cloud is watched until its end."""
    child = rehearsal.begin("test-create", "--yes")
    node = child.until(makes_instance, 900)["node"]
    (name,) = rehearsal.left()
    lab = client.find(rehearsal.home / "labs" / name)
    assert lab
    stray = Cloud(lab).wait_for_instance(node.removeprefix("server/"))
    child.kill_terraform()
    ended = child.ended(600)

    swept = [event["message"].split()[2] for event in ended.of("noted") if event["message"].startswith("swept: ")]
    assert stray in swept
    assert ended.one("stage_finished", stage="clean-up")
    assert ended.one("run_halted")["safe"].startswith("the environment is gone")
    assert ended.exit_code == 1
