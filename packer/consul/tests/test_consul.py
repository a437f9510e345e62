"""A finished Consul image, asked on an instance of it: pytest-testinfra's fixture `host` is the instance.

They hold for an instance with its volume and for one that waits for it: then Consul isn't there, whatever else happened.

    pytest packer/consul/tests --hosts docker://CONTAINER
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PIN = json.loads((Path(__file__).parents[2] / "pins.json").read_text())["consul"]
PLACE = "/var/lib/consul"
VOLUME_UNIT = "immtf-volume@data.service"


@pytest.fixture(scope="module")
def image(host: Any) -> dict[str, Any]:
    """What the image says of itself."""
    return json.loads(host.file("/etc/immtf/image.json").content_string)


def _is_mounted(host: Any) -> bool:
    return host.run("findmnt --mountpoint %s", PLACE).rc == 0


def test_consul_is_the_pinned_one(host: Any) -> None:
    assert PIN["version"] in host.check_output("/usr/local/bin/consul version").splitlines()[0]
    assert host.file("/usr/local/bin/consul").sha256sum in PIN["sha256"].values()


def test_consul_has_a_user_with_a_number_that_stays(host: Any) -> None:
    user = host.user("consul")
    assert (user.uid, user.shell) == (PIN["uid"], "/usr/sbin/nologin")


def test_the_image_says_what_it_is(host: Any, image: dict[str, Any]) -> None:
    assert host.file("/etc/image-version").content_string.strip() == image["version"]


def test_ssh_starts_only_where_it_was_asked_for(host: Any, image: dict[str, Any]) -> None:
    assert host.run("systemctl is-enabled ssh.service").stdout.strip() == ("enabled" if image["keep_ssh"] else "masked")
    assert host.service("ssh").is_running == image["keep_ssh"]


def test_the_configuration_is_valid_and_not_consuls_to_write(host: Any) -> None:
    assert host.run("/usr/local/bin/consul validate /etc/consul.d").rc == 0
    for path in ("/etc/consul.d", "/etc/consul.d/image.json"):
        assert host.file(path).user == "root"
        assert host.file(path).mode & 0o022 == 0


def test_consul_needs_its_volume_and_comes_after_it(host: Any) -> None:
    for relation in ("Requires", "BindsTo", "After"):
        assert VOLUME_UNIT in host.check_output("systemctl show --value --property %s consul", relation).split()
    assert host.service("consul").is_enabled
    assert host.service(VOLUME_UNIT).is_enabled


def test_consul_is_there_with_its_volume_only(host: Any) -> None:
    if _is_mounted(host):
        assert host.check_output("systemctl is-active %s", VOLUME_UNIT) == "active"
    else:
        assert not host.service("consul").is_running
        assert host.run("pgrep -x consul").rc == 1


def test_without_a_volume_its_place_is_empty_and_nobodys_to_write(host: Any) -> None:
    if not _is_mounted(host):
        assert host.check_output("ls -A %s", PLACE) == ""
        place = host.file(PLACE)
        assert (place.user, place.mode) == ("root", 0o555)


def test_a_volume_is_mounted_carefully_and_is_consuls(host: Any) -> None:
    if _is_mounted(host):
        mount = host.mount_point(PLACE)
        assert mount.filesystem == "ext4"
        assert {"nosuid", "nodev"} <= set(mount.options)
        assert host.file(PLACE).user == "consul"


def test_no_unit_failed(host: Any) -> None:
    assert host.run("systemctl --failed --plain --no-legend list-units").stdout == ""
