from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.lab.docker.status import SCRIPT, USER_DATA, read, state

if TYPE_CHECKING:
    from pathlib import Path

SAID = """\
30 20 0:27 / / rw - overlay overlay rw
@@units
Id=web.service
ActiveState=active
SubState=running

Id=db.service
ActiveState=inactive
SubState=dead
Job=12

Id=cloud-init.service
ActiveState=active
SubState=exited

Id=cloud-final.service
ActiveState=failed
SubState=failed
"""


def test_services_and_user_data_that_failed() -> None:
    mountinfo, services = read(SAID)
    assert mountinfo == "30 20 0:27 / / rw - overlay overlay rw\n"
    assert services == {"web": "running", "db": "waiting", "user-data": "failed"}


def test_a_guest_without_a_boot_file_is_asked_for_no_service(tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "systemctl").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = subprocess.run(["sh", "-c", SCRIPT], env={"PATH": path}, cwd="/", capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.partition("@@units\n")[2].split()[2:] == list(USER_DATA)


def test_a_guest_that_says_nothing_has_nothing() -> None:
    assert read("") == ("", {})
    assert read("30 20 0:27\n@@units\n") == ("30 20 0:27\n", {})


@pytest.mark.parametrize(
    ("active", "sub", "expected"),
    [
        ("active", "running", "running"),
        ("activating", "auto-restart", "restarting"),
        ("failed", "failed", "failed"),
        ("activating", "start", "waiting"),
        ("inactive", "dead", "waiting"),
    ],
)
def test_states(active: str, sub: str, expected: str) -> None:
    assert state({"ActiveState": active, "SubState": sub}) == expected
