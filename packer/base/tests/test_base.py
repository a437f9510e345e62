"""A finished base image, asked on an instance of it: pytest-testinfra's fixture `host` is the instance.

    pytest packer/base/tests --hosts docker://CONTAINER
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

PINS = json.loads((Path(__file__).parents[2] / "pins.json").read_text())
LEFTOVERS = ("/tmp/immtf-build", "/root/.bash_history", "/usr/sbin/policy-rc.d")


@pytest.fixture(scope="module")
def image(host: Any) -> dict[str, Any]:
    """What the image says of itself."""
    return json.loads(host.file("/etc/immtf/image.json").content_string)


@pytest.mark.parametrize(("name", "version"), sorted(PINS["packages"].items()))
def test_packages_are_the_pinned_ones(host: Any, name: str, version: str) -> None:
    told = host.run("dpkg-query --show --showformat='${db:Status-Abbrev}${Version}' %s", name)
    status, _, found = told.stdout.partition(" ")
    assert told.rc == 0
    assert status == "ii"
    assert fnmatchcase(found, version)


def test_the_image_says_what_it_is(host: Any, image: dict[str, Any]) -> None:
    assert image["family"]
    assert host.file("/etc/image-version").content_string.strip() == image["version"]


def test_ssh_starts_only_where_it_was_asked_for(host: Any, image: dict[str, Any]) -> None:
    assert host.run("systemctl is-enabled ssh.service").stdout.strip() == ("enabled" if image["keep_ssh"] else "masked")
    assert host.service("ssh").is_running == image["keep_ssh"]


def test_nothing_of_the_machine_it_was_built_on_is_left(host: Any) -> None:
    assert [path for path in LEFTOVERS if host.file(path).exists] == []
    assert host.run("find /var/lib/apt/lists /var/cache/apt/archives -type f -name '*_*'").stdout == ""


def test_nothing_changes_by_itself(host: Any) -> None:
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert host.run("systemctl is-enabled %s", timer).stdout.strip() == "masked"


def test_volumes_are_brought_by_a_unit_that_nothing_of_the_boot_waits_for(host: Any) -> None:
    script = host.file("/usr/local/lib/immtf/immtf-volume")
    assert (script.user, script.group, script.mode) == ("root", "root", 0o755)
    unit = host.file("/etc/systemd/system/immtf-volume@.service").content_string
    assert "TimeoutStartSec=infinity" in unit
    assert "DefaultDependencies=no" in unit


def test_no_unit_failed(host: Any) -> None:
    assert host.run("systemctl --failed --plain --no-legend list-units").stdout == ""
