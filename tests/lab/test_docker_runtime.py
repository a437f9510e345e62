"""The main job once more, with instances that boot: containers with systemd and cloud-init, and ext4 on block devices."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from immtf.errors import LabFailed
from immtf.lab.docker.engine import reach
from immtf.lab.docker.scope import DIRECTORY, LAB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

pytestmark = [pytest.mark.docker, pytest.mark.lab(minutes=5)]


def test_the_main_job_in_containers(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    try:
        engine = reach(os.environ)
    except LabFailed as failed:
        pytest.skip(failed.what)
    ended = rehearsal.run("test-upgrade", "--yes", "--lab-runtime", "docker").expect(0)
    last = ended.last
    show(f"{last['duration_s']} s, away {last['away_s']}")
    figures = {"outcome": "done", "nodes_replaced": 3, "volumes_kept": 3, "writes_lost": 0, "exit_code": 0}
    assert figures.items() <= last.items()
    assert last["writes_acknowledged"] > 100
    assert rehearsal.left() == []
    containers = engine.containers.list(all=True, filters={"label": LAB}, ignore_removed=True)
    assert not [container for container in containers if container.labels[DIRECTORY].startswith(str(rehearsal.home))]
    engine.close()
