"""Volumes in guests in which programs really run: what becomes of a blank one, of one that moves, and of one that is torn out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.runtime_benches import DATA, LABS, MOUNTS, GuestBench, ProcessBench, eventually, make_bench, with_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["process", *(pytest.param(name, marks=pytest.mark.docker) for name in LABS)])
def guest(request: pytest.FixtureRequest) -> Iterator[GuestBench]:
    made = make_bench(request.param, request)
    assert isinstance(made, GuestBench)
    yield made
    made.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[ProcessBench]:
    """Runtime `process`, where a volume can be looked into from outside; containers: `test_docker_guest`."""
    made = ProcessBench(tmp_path)
    yield made
    made.close()


def test_services_wait_for_their_volume(guest: GuestBench) -> None:
    guest.image()
    guest.runtime.boot(guest.spec())
    eventually(lambda: guest.status().services == {"beat": "waiting"})
    guest.runtime.create_volume("vol-1")
    guest.runtime.attach("vol-1", "i-1", "/dev/sdf")
    guest.mounted("vol-1", "i-1")
    eventually(lambda: guest.status().services == {"beat": "running"})
    assert guest.status().mounts == {DATA: "vol-1"}


def test_a_blank_volume_is_formatted_only_when_it_is_named(guest: GuestBench) -> None:
    """F21: no image formats by itself, and a mark for another volume is none for this one."""
    guest.image()
    guest.runtime.boot(guest.spec())
    guest.runtime.create_volume("vol-0abc")
    guest.runtime.attach("vol-0abc", "i-1", "/dev/xvdf")
    eventually(lambda: guest.word("vol-0abc") == "blank")
    guest.sh('mkdir -p "$IMMTF_ROOT/run/immtf/first-boot"; touch "$IMMTF_ROOT/run/immtf/first-boot/vol0abd"')
    assert not guest.first_boot("vol-0abd"), "the guest knows no such volume"
    assert guest.status().mounts == {}
    assert guest.first_boot("vol-0abc")
    guest.mounted("vol-0abc", "i-1")
    assert guest.word("vol-0abc") == ""
    assert guest.sh('ls "$IMMTF_ROOT/run/immtf/first-boot"') == "vol0abd\n"
    assert not guest.first_boot("vol-0abc"), "it is mounted now"


def test_an_emptied_volume_stays_as_it_is_after_a_boot(supervised: ProcessBench) -> None:
    """F21: a mark does not outlive the boot that it was given in, and a volume that lost all it had gets none."""
    with_volume(supervised)
    eventually((supervised.home() / "dev/xvdf/fs/beat").exists)
    supervised.runtime.stop("i-1")
    for name in ("superblock.json", "fs/beat"):
        (supervised.home() / "dev/xvdf" / name).unlink()
    (supervised.home() / "root/run/immtf/first-boot").mkdir(parents=True, exist_ok=True)
    (supervised.home() / "root/run/immtf/first-boot/vol1").touch()
    supervised.runtime.start("i-1")
    eventually(lambda: supervised.word("vol-1") == "blank")
    assert supervised.status().mounts == {}
    assert supervised.status().services == {"beat": "waiting"}


def test_a_filesystem_that_is_checked_says_so_and_is_mounted_then(supervised: ProcessBench) -> None:
    """F22."""
    supervised.image(mounts=[{**MOUNTS[0], "check_s": 1.5}])
    supervised.runtime.boot(supervised.spec())
    supervised.runtime.create_volume("vol-1")
    supervised.runtime.attach("vol-1", "i-1", "/dev/xvdf")
    supervised.mounted("vol-1", "i-1")
    supervised.runtime.stop("i-1")
    supervised.runtime.start("i-1")
    eventually(lambda: supervised.word("vol-1") == "recovering")
    assert supervised.status().mounts == {}
    eventually(lambda: supervised.status().mounts == {DATA: "vol-1"})
    assert supervised.word("vol-1") == ""


def test_the_content_moves_with_the_volume(guest: GuestBench) -> None:
    with_volume(guest)
    before = guest.sh(f'echo kept > "${{IMMTF_ROOT:-}}{DATA}/note"; findmnt -n -r -o UUID -M {DATA}')
    guest.runtime.terminate("i-1")
    guest.runtime.boot(guest.spec("i-2"))
    guest.runtime.attach("vol-1", "i-2", "/dev/xvdf")
    guest.mounted("vol-1", "i-2")
    after = guest.sh(f'findmnt -n -r -o UUID -M {DATA}; cat "${{IMMTF_ROOT:-}}{DATA}/note"', "i-2")
    assert after == before + "kept\n"


def test_out_of_reach_while_detached(guest: GuestBench) -> None:
    """F20: what is at the place then is the root disk's own directory."""
    with_volume(guest)
    guest.sh(f'echo kept > "${{IMMTF_ROOT:-}}{DATA}/note"')
    guest.runtime.stop("i-1")
    guest.runtime.detach("vol-1")
    guest.runtime.start("i-1")
    assert guest.sh(f'ls "${{IMMTF_ROOT:-}}{DATA}"') == ""
    assert guest.status().mounts == {}


def test_torn_out_under_a_running_service(guest: GuestBench) -> None:
    """A forced detach takes the ground away; the service ends and waits."""
    with_volume(guest)
    guest.runtime.detach("vol-1", force=True)
    eventually(lambda: guest.status().services == {"beat": "waiting"})
    assert guest.status().mounts == {}
    guest.runtime.attach("vol-1", "i-1", "/dev/xvdf")
    eventually(lambda: guest.status().services == {"beat": "running"})


def test_a_volume_keeps_its_filesystem_and_a_snapshot_has_the_same(guest: GuestBench) -> None:
    with_volume(guest)
    ask = f"findmnt -n -r -o UUID -M {DATA}"
    first = guest.sh(ask)
    guest.sh(f'echo kept > "${{IMMTF_ROOT:-}}{DATA}/note"')
    guest.runtime.snapshot("snap-1", "vol-1")
    guest.runtime.stop("i-1")
    guest.runtime.start("i-1")
    guest.mounted("vol-1", "i-1")
    assert guest.sh(ask) == first
    guest.runtime.terminate("i-1")
    guest.runtime.create_volume("vol-2", snapshot_id="snap-1")
    guest.runtime.boot(guest.spec("i-2"))
    guest.runtime.attach("vol-2", "i-2", "/dev/xvdf")
    eventually(lambda: "vol-2" in guest.status("i-2").mounts.values())
    guest.runtime.delete_snapshot("snap-1")
    guest.runtime.delete_snapshot("snap-1")
    assert guest.sh(f'{ask}; cat "${{IMMTF_ROOT:-}}{DATA}/note"', "i-2") == first + "kept\n"


def test_the_volume_is_known_by_its_serial_not_by_its_letter(guest: GuestBench) -> None:
    """F19."""
    with_volume(guest, volume_id="vol-0abc")
    asked = f"findmnt --noheadings --raw --output TARGET,SOURCE,FSTYPE,UUID --mountpoint {DATA}"
    target, source, fstype, _ = guest.sh(asked).split()
    assert (target, fstype) == (DATA, "ext4")
    assert source == "/dev/nvme1n1" if isinstance(guest, ProcessBench) else source.startswith(("/dev/loop", "/dev/vol-0abc"))
    assert guest.sh(f"lsblk --noheadings --raw --output SERIAL {source}") == "vol0abc\n"
    assert guest.runtime.execute("i-1", "findmnt -n -M /elsewhere", timeout_s=5).exit_code == 1
