"""A finished image of the block `service`, asked on an instance of it: pytest-testinfra's fixture `host` is the instance.

They hold for an etcd server with its volume, for one that waits for it, and for a web instance: which one it is, its user data says.

    pytest packer/service/tests --hosts docker://CONTAINER
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PIN = json.loads((Path(__file__).parents[2] / "pins.json").read_text())["etcd"]
FILES = Path(__file__).parents[1] / "files"
PLACE = "/var/lib/etcd"
PROGRAMS = ("etcd", "web", "web.py")
VOLUME_UNIT = "immtf-volume@data.service"


@pytest.fixture(scope="module")
def image(host: Any) -> dict[str, Any]:
    """What the image says of itself."""
    return json.loads(host.file("/etc/immtf/image.json").content_string)


def _is_mounted(host: Any) -> bool:
    return host.run("findmnt --mountpoint %s", PLACE).rc == 0


def test_etcd_is_the_pinned_one(host: Any) -> None:
    assert host.check_output("/usr/local/bin/etcd --version").splitlines()[0] == f"etcd Version: {PIN['version']}"
    assert host.file("/usr/local/bin/etcd").sha256sum == PIN["sha256"]["program"]


def test_etcd_has_a_user_with_a_number_that_stays(host: Any) -> None:
    user = host.user("etcd")
    assert (user.uid, user.shell) == (PIN["uid"], "/usr/sbin/nologin")


def test_the_image_says_what_it_is(host: Any, image: dict[str, Any]) -> None:
    assert host.file("/etc/image-version").content_string.strip() == image["version"]


def test_ssh_starts_only_where_it_was_asked_for(host: Any, image: dict[str, Any]) -> None:
    assert host.run("systemctl is-enabled ssh.service").stdout.strip() == ("enabled" if image["keep_ssh"] else "masked")
    assert host.service("ssh").is_running == image["keep_ssh"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_are_this_templates_and_not_the_parts_to_write(host: Any, name: str) -> None:
    there = host.file(f"/usr/lib/service/{name}")
    assert there.content in {path.read_bytes() for path in (FILES / name, *FILES.glob(f"since/*/{name}"))}
    assert there.user == "root"
    assert there.mode & 0o022 == 0


def test_etcd_needs_its_volume_and_comes_after_it(host: Any) -> None:
    for relation in ("Requires", "BindsTo", "After"):
        assert VOLUME_UNIT in host.check_output("systemctl show --value --property %s etcd", relation).split()
    assert host.service("etcd").is_enabled
    assert host.service(VOLUME_UNIT).is_enabled


def test_etcd_is_there_with_its_volume_only(host: Any) -> None:
    if _is_mounted(host):
        assert host.check_output("systemctl is-active %s", VOLUME_UNIT) == "active"
    else:
        assert not host.service("etcd").is_running
        assert host.run("pgrep -x etcd").rc == 1


def test_without_a_volume_its_place_is_empty_and_nobodys_to_write(host: Any) -> None:
    if not _is_mounted(host):
        assert host.check_output("ls -A %s", PLACE) == ""
        place = host.file(PLACE)
        assert (place.user, place.mode) == ("root", 0o555)


def test_a_volume_is_mounted_carefully_and_is_etcds(host: Any) -> None:
    if _is_mounted(host):
        mount = host.mount_point(PLACE)
        assert mount.filesystem == "ext4"
        assert {"nosuid", "nodev"} <= set(mount.options)
        assert host.file(PLACE).user == "etcd"


def test_there_are_pages_where_user_data_says_so_only(host: Any) -> None:
    assert host.service("web").is_enabled
    assert host.service("web").is_running == host.file("/etc/service/web.json").exists


def test_no_unit_failed(host: Any) -> None:
    assert host.run("systemctl --failed --plain --no-legend list-units").stdout == ""
