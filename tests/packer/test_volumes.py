"""The volume script on real loop devices: what it mounts, what it says, and what it never formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packer.machine import LOOKS_S

if TYPE_CHECKING:
    from tests.packer.machine import Machine

pytestmark = pytest.mark.docker

EXT4 = 'mkfs.ext4 -q "$v"; debugfs -w -R "write /etc/hostname kept" "$v" 2>/dev/null'
FOREIGN = {
    "xfs": 'printf "XFSB\\0\\0\\020\\0" | dd of="$v" conv=notrunc status=none',
    "swap": 'mkswap -q "$v"',
    "dos-partitions": 'printf "\\125\\252" | dd of="$v" bs=1 seek=510 conv=notrunc status=none',
    "random-bytes": 'head -c 4M /dev/urandom | dd of="$v" conv=notrunc status=none',
    "one-byte": 'printf x | dd of="$v" bs=1 seek=1048575 conv=notrunc status=none',
    "two-signatures": f'{EXT4}; mkswap -q -p 65536 "$v" || :; printf \'SWAPSPACE2\' | dd of="$v" bs=1 seek=65526 conv=notrunc status=none',
    "ext2": 'mkfs.ext2 -q "$v"',
}


def test_a_volume_is_waited_for_and_mounted_with_what_is_on_it(machine: Machine) -> None:
    serial = machine.volume(EXT4)
    machine.bring()
    machine.wait("grep -q 'waits for its volume' /t/data.log")
    assert not machine.holds("mountpoint -q /srv/data")
    machine.attach(serial)
    machine.await_mounted()
    options = machine.sh("findmnt --noheadings --output OPTIONS --mountpoint /srv/data").split(",")
    assert {"rw", "nosuid", "nodev"} <= set(options)
    assert machine.holds("cmp -s /etc/hostname /srv/data/kept")
    assert machine.word(serial) == ""
    assert machine.sh("lsblk --noheadings --nodeps --output SERIAL /dev/nvme1n1") == serial
    assert machine.stop() == 0
    assert not machine.holds("mountpoint -q /srv/data")


def test_a_blank_volume_is_formatted_once_and_only_under_its_own_mark(machine: Machine) -> None:
    serial, other = machine.volume(), machine.volume()
    blank = machine.digest(serial)
    machine.attach(serial)
    machine.mark(other)
    machine.mark(serial, named=other)
    machine.bring()
    machine.await_word(serial, "blank")
    machine.sh(f"sleep {LOOKS_S}")
    assert (machine.word(serial), machine.digest(serial)) == ("blank", blank)
    machine.mark(serial)
    machine.await_mounted()
    assert machine.sh("ls /run/immtf/first-boot") == other
    assert machine.word(serial) == ""
    first = machine.sh("findmnt --noheadings --output UUID --mountpoint /srv/data; echo kept >/srv/data/kept")
    machine.stop()
    machine.mark(serial)
    machine.bring()
    machine.await_mounted()
    assert machine.sh("findmnt --noheadings --output UUID --mountpoint /srv/data") == first
    assert machine.sh("cat /srv/data/kept") == "kept"


def test_what_is_neither_blank_nor_ext4_is_left_as_it_is_whatever_the_mark(machine: Machine) -> None:
    volumes = {what: machine.volume(content) for what, content in FOREIGN.items()}
    before = {what: machine.digest(serial) for what, serial in volumes.items()}
    machine.bring()
    for serial in volumes.values():
        machine.mark(serial)
        machine.attach(serial)
        machine.await_word(serial, "foreign")
        machine.detach("nvme1n1")
        machine.wait('[ -z "$(ls /run/immtf/*.status 2>/dev/null)" ]')
    assert {what: machine.digest(serial) for what, serial in volumes.items()} == before
    assert machine.stop() == 0


def test_a_journal_is_replayed_and_what_nobody_mends_stays_unmounted(machine: Machine) -> None:
    written = machine.volume(EXT4)
    machine.attach(written)
    machine.bring()
    machine.await_mounted()
    machine.sh("echo late >/srv/data/late; sync")
    torn = machine.volume(f'cat "$(readlink /t/{written}.loop)" >"$v"')
    machine.stop()
    machine.detach("nvme1n1")
    assert machine.holds(f"dumpe2fs -h /t/{torn} 2>/dev/null | grep -q needs_recovery")
    machine.attach(torn)
    machine.bring()
    machine.await_mounted()
    assert "is recovering: e2fsck -p" in machine.sh("cat /t/data.log")
    assert machine.sh("cat /srv/data/late") == "late"
    machine.stop()
    machine.detach("nvme1n1")


def test_what_a_person_has_to_mend_stays_unmounted_and_says_so_while_it_is_there(machine: Machine) -> None:
    no_root = f'{EXT4}; debugfs -w -R "clri <2>" "$v" 2>/dev/null'
    bad = {
        "refused": machine.volume(no_root),
        "damaged": machine.volume(f'{no_root}; debugfs -w -R "ssv state 2" "$v" 2>/dev/null'),
        "unreadable": machine.volume(megabytes=0.5),
    }
    machine.bring()
    for word, serial in bad.items():
        machine.attach(serial)
        machine.await_word(serial, word)
        machine.detach("nvme1n1")
    machine.wait('[ -z "$(ls /run/immtf/*.status 2>/dev/null)" ]')
    assert not machine.holds("mountpoint -q /srv/data")


def test_two_volumes_go_to_their_own_places_and_neither_to_the_others(machine: Machine) -> None:
    data, logs = machine.volume(EXT4), machine.volume(EXT4)
    machine.bring("data", names="/dev/xvdf /dev/sdf")
    machine.bring("logs", serial=logs)
    machine.attach(data, "nvme2n1", asked="")
    machine.sh(f"sleep {LOOKS_S / 3}")
    assert not machine.holds("mountpoint -q /srv/data")  # the only one there, and yet not told to be the one
    machine.attach(logs, "nvme1n1", asked="")
    machine.await_mounted("logs")
    machine.sh("ln -s nvme2n1 /dev/sdf")
    machine.await_mounted("data")
    found = machine.sh("for place in data logs; do findmnt --noheadings --output SOURCE --mountpoint /srv/$place; done")
    assert found.split() == ["/dev/nvme2n1", "/dev/nvme1n1"]


def test_without_a_name_the_only_volume_is_taken_and_none_of_several(machine: Machine) -> None:
    one, two = machine.volume(EXT4), machine.volume(EXT4)
    machine.attach(one, "nvme1n1", asked="")
    machine.attach(two, "nvme2n1", asked="")
    machine.bring()
    machine.await_word(two, "ambiguous")
    assert not machine.holds("mountpoint -q /srv/data")
    machine.sh(f"rm /dev/nvme2n1 /dev/disk/by-id/*{two}*")
    machine.await_mounted()
    assert machine.sh("ls /run/immtf/*.status 2>/dev/null || :") == ""


def test_a_device_that_goes_away_is_an_error_and_a_person_who_unmounts_is_not(machine: Machine) -> None:
    serial = machine.volume(EXT4)
    machine.attach(serial)
    machine.bring()
    machine.await_mounted()
    assert machine.stop(signal="KILL") != 0
    machine.bring()  # the mount that the killed one left is taken over
    machine.await_mounted()
    assert machine.sh("grep -c ' /srv/data ' /proc/self/mountinfo") == "1"
    machine.sh("umount /srv/data")
    assert machine.code() == 0
    machine.bring()
    machine.await_mounted()
    machine.detach("nvme1n1")
    assert machine.code() == 1
    assert not machine.holds("mountpoint -q /srv/data")


def test_files_are_given_to_their_user_but_not_immtfs_mark(machine: Machine) -> None:
    serial = machine.volume(EXT4)
    machine.sh(
        f"mkdir /t/m; mount $(readlink /t/{serial}.loop) /t/m; mkdir /t/m/deep; touch /t/m/deep/file /t/m/.immtf-volume; umount /t/m"
    )
    machine.attach(serial, link=False)  # as on machines that tell no serial
    machine.bring(owner="games:games", mode="0710")
    machine.await_mounted()
    owners = machine.sh("cd /srv/data; stat -c '%U:%G %a' .; stat -c %U kept deep deep/file .immtf-volume")
    assert owners.splitlines() == ["games:games 710", "games", "games", "games", "root"]
    machine.sh("touch /srv/data/held; tail -f /srv/data/held </dev/null >/dev/null 2>&1 & echo $! >/t/holder")
    machine.sh("kill -s TERM $(cat /t/data.pid)")
    machine.wait("grep -q 'target is busy' /t/data.log")
    machine.sh("kill $(cat /t/holder)")
    assert machine.code() == 0


@pytest.mark.parametrize("conf", [{"mount": "srv/data"}, {"mount": ""}], ids=["relative", "none"])
def test_a_file_that_says_no_place_is_refused(machine: Machine, conf: dict[str, str]) -> None:
    machine.bring(**conf)
    assert machine.code() == 2
    assert "mount is not an absolute path" in machine.sh("cat /t/data.log")
