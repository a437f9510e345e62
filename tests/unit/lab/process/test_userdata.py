from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from immtf.lab.guest.userdata import UserData, UserDataInvalid, WriteFile, read_user_data, write_files

if TYPE_CHECKING:
    from pathlib import Path


def cloud_config(value: Any) -> bytes:
    return ("#cloud-config\n" + json.dumps(value)).encode()


def test_none_and_a_script() -> None:
    assert read_user_data(b"") == UserData()
    assert read_user_data(b"#!/bin/sh\ntrue\n") == UserData(script="#!/bin/sh\ntrue\n")


def test_a_cloud_config() -> None:
    data = read_user_data(
        cloud_config(
            {"write_files": [{"path": "/etc/a", "content": "1", "permissions": "0600"}, {"path": "/b"}], "runcmd": ["a; b", ["c", "d e"]]}
        )
    )
    assert data == UserData((WriteFile("/etc/a", "1", 0o600), WriteFile("/b", "")), "#!/bin/sh\na; b\nc 'd e'\n")


@pytest.mark.parametrize(
    "data",
    [
        b"something",
        b"#cloud-config\nruncmd:\n  - true\n",
        cloud_config([]),
        cloud_config({"packages": ["x"]}),
        cloud_config({"write_files": [{"content": "no path"}]}),
        cloud_config({"write_files": [{"path": "/a", "append": True}]}),
        cloud_config({"runcmd": [7]}),
    ],
)
def test_what_is_not_understood_is_refused(data: bytes) -> None:
    with pytest.raises(UserDataInvalid):
        read_user_data(data)


def test_files_are_written_below_the_root(tmp_path: Path) -> None:
    write_files((WriteFile("/etc/x/y", "content", 0o640),), lambda path: tmp_path / path.lstrip("/"))
    written = tmp_path / "etc/x/y"
    assert written.read_text() == "content"
    assert written.stat().st_mode & 0o777 == 0o640
