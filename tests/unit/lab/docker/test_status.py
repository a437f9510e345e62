from __future__ import annotations

import pytest

from immtf.lab.docker.status import read, state

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
