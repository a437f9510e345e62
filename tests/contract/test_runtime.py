"""Every runtime, the fake one too, keeps these; those with `guest` need one in which programs really run."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from os import kill
from typing import TYPE_CHECKING

import pytest

from immtf.lab.runtime import RuntimeFailed, VolumeBusy
from tests.contract.runtime_benches import BEAT, DATA, LABS, LIMIT_S, Bench, GuestBench, ProcessBench, eventually, make_bench, with_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


DOCKER = pytest.param("docker", marks=pytest.mark.docker)
POWER_OFF = "sleep 1; until poweroff; do sleep 0.5; done"  # an init that has only just begun doesn't listen yet


@pytest.fixture(params=["fake", "process", DOCKER])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = make_bench(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=["fake", "process", *(pytest.param(name, marks=pytest.mark.docker) for name in LABS)])
def keeper(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Every runtime, with every kind of volume that it has."""
    made = make_bench(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=["process", DOCKER])
def guest(request: pytest.FixtureRequest) -> Iterator[GuestBench]:
    made = make_bench(request.param, request)
    assert isinstance(made, GuestBench)
    yield made
    made.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[ProcessBench]:
    """Runtime `process`, where the lab's own init is what runs inside: how it does it is in the log."""
    made = ProcessBench(tmp_path)
    yield made
    made.close()


class TestAnyRuntime:
    def test_a_booted_instance_runs_and_is_listed(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec())
        (row,) = bench.runtime.instances()
        assert (row.instance_id, row.image_id, row.address, row.running) == ("i-1", "ami-1", bench.spec().address, True)
        assert bench.runtime.is_running("i-1")

    def test_an_unknown_image_is_refused_and_leaves_nothing(self, bench: Bench) -> None:
        with pytest.raises(RuntimeFailed):
            bench.runtime.boot(bench.spec(image_id="ami-none"))
        assert not bench.runtime.instances()

    def test_an_address_in_use_is_refused(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec("i-1"))
        with pytest.raises(RuntimeFailed):
            bench.runtime.boot(bench.spec("i-2"))

    def test_stop_and_start(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec())
        bench.runtime.stop("i-1")
        bench.runtime.stop("i-1")
        assert not bench.runtime.is_running("i-1")
        assert bench.runtime.instances()[0].pid is None
        bench.runtime.start("i-1")
        assert bench.runtime.is_running("i-1")

    def test_terminate_is_final_and_may_be_repeated(self, keeper: Bench) -> None:
        with_volume(keeper)
        keeper.runtime.terminate("i-1")
        keeper.runtime.terminate("i-1")
        assert not keeper.runtime.instances()
        keeper.runtime.delete_volume("vol-1")
        with pytest.raises(RuntimeFailed):
            keeper.runtime.start("i-1")

    def test_a_mounted_volume_is_busy_until_the_guest_stops(self, keeper: Bench) -> None:
        with_volume(keeper)
        with pytest.raises(VolumeBusy):
            keeper.runtime.detach("vol-1")
        keeper.runtime.stop("i-1")
        keeper.runtime.detach("vol-1")
        keeper.runtime.detach("vol-1")

    def test_a_mounted_volume_can_be_torn_out(self, keeper: Bench) -> None:
        with_volume(keeper)
        keeper.runtime.detach("vol-1", force=True)
        keeper.runtime.delete_volume("vol-1")

    def test_an_attached_volume_is_not_deleted_nor_attached_twice(self, keeper: Bench) -> None:
        with_volume(keeper)
        keeper.runtime.boot(keeper.spec("i-2", host=12))
        with pytest.raises(VolumeBusy):
            keeper.runtime.delete_volume("vol-1")
        with pytest.raises(RuntimeFailed):
            keeper.runtime.attach("vol-1", "i-2", "/dev/xvdf")

    def test_a_device_is_taken_once(self, keeper: Bench) -> None:
        with_volume(keeper)
        keeper.runtime.create_volume("vol-2")
        with pytest.raises(RuntimeFailed):
            keeper.runtime.attach("vol-2", "i-1", "/dev/xvdf")

    def test_the_unknown_is_refused(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec())
        for act in (
            lambda: bench.runtime.attach("vol-none", "i-1", "/dev/xvdf"),
            lambda: bench.runtime.detach("vol-none"),
            lambda: bench.runtime.snapshot("snap-1", "vol-none"),
            lambda: bench.runtime.create_volume("vol-2", snapshot_id="snap-none"),
            lambda: bench.runtime.create_image("ami-2", "i-none"),
            lambda: bench.runtime.execute("i-none", "true", timeout_s=1),
            lambda: bench.runtime.register_image("ami-3", "/nowhere/at/all"),
        ):
            with pytest.raises(RuntimeFailed):
                act()

    def test_deleting_what_is_not_there_is_done(self, bench: Bench) -> None:
        bench.runtime.delete_volume("vol-none")
        bench.runtime.delete_snapshot("snap-none")

    def test_a_deleted_snapshot_makes_no_volume(self, keeper: Bench) -> None:
        with_volume(keeper)
        keeper.runtime.snapshot("snap-1", "vol-1")
        keeper.runtime.delete_snapshot("snap-1")
        with pytest.raises(RuntimeFailed):
            keeper.runtime.create_volume("vol-2", snapshot_id="snap-1")

    def test_no_command_in_a_stopped_guest(self, bench: Bench) -> None:
        bench.image()
        bench.runtime.boot(bench.spec())
        bench.runtime.stop("i-1")
        with pytest.raises(RuntimeFailed):
            bench.runtime.execute("i-1", "true", timeout_s=1)


class TestGuests:
    def test_user_data_runs_once_under_the_root(self, supervised: ProcessBench) -> None:
        config = {
            "write_files": [{"path": "/etc/node.json", "content": "{}", "permissions": "0600"}],
            "runcmd": ['echo ran >> "$IMMTF_ROOT/ran"', ["sh", "-c", "echo said by user data"]],
        }
        supervised.image(mounts=[], services=[])
        supervised.runtime.boot(supervised.spec(user_data="#cloud-config\n" + json.dumps(config)))
        eventually(lambda: "user data ended with 0" in supervised.log())
        supervised.runtime.stop("i-1")
        supervised.runtime.start("i-1")
        assert supervised.sh('cat "$IMMTF_ROOT/ran" "$IMMTF_ROOT/etc/node.json"; stat -c %a "$IMMTF_ROOT/etc/node.json"') == "ran\n{}600\n"
        assert "user-data: said by user data" in supervised.log()

    def test_user_data_as_a_script_and_its_failure_is_seen(self, guest: GuestBench) -> None:
        guest.image(mounts=[], services=[])
        guest.runtime.boot(guest.spec(user_data="#!/bin/sh\nexit 3\n"))
        eventually(lambda: guest.status().services == {"user-data": "failed"})

    def test_user_data_that_is_not_understood_is_said(self, supervised: ProcessBench) -> None:
        supervised.image(mounts=[], services=[])
        supervised.runtime.boot(supervised.spec(user_data="#cloud-config\npackages: [x]\n"))
        eventually(lambda: supervised.status().services == {"user-data": "failed"})
        assert "user-data: failed" in supervised.log()

    def test_services_come_after_one_another_and_stop_the_other_way_round(self, supervised: ProcessBench) -> None:
        loop = "trap 'echo {0} stops; exit' TERM; echo {0} starts; while :; do sleep 0.05; done"
        services = [
            {"name": "web", "after": ["db"], "command": ["sh", "-c", loop.format("web")]},
            {"name": "db", "command": ["sh", "-c", loop.format("db")]},
        ]
        supervised.image(mounts=[], services=services)
        supervised.runtime.boot(supervised.spec())
        eventually(lambda: "db: db starts" in supervised.log() and "web: web starts" in supervised.log())
        supervised.runtime.stop("i-1")
        log = supervised.log()
        assert log.index("started db") < log.index("started web") < log.index("web: web stops") < log.index("db: db stops")
        assert "powered off" in log

    def test_a_service_that_dies_is_started_again(self, supervised: ProcessBench) -> None:
        supervised.image(mounts=[], services=[{"name": "sleeper", "command": ["sleep", "1000"]}])
        supervised.runtime.boot(supervised.spec())
        eventually(lambda: supervised.status().services == {"sleeper": "running"})
        first = json.loads((supervised.home() / "status.json").read_text())["pids"]["sleeper"]
        kill(first, signal.SIGKILL)
        eventually(lambda: supervised.log().count("started sleeper") == 2)
        assert "sleeper ended with 137, again in 0.5 s" in supervised.log()

    def test_a_program_that_is_not_there_is_a_failed_service(self, supervised: ProcessBench) -> None:
        supervised.image(mounts=[], services=[{"name": "ghost", "command": ["no-such-program-here"]}])
        supervised.runtime.boot(supervised.spec())
        eventually(lambda: supervised.status().services == {"ghost": "failed"})

    def test_what_is_filled_into_commands(self, supervised: ProcessBench) -> None:
        services = [{"name": "teller", "command": ["sh", "-c", "echo {address} {instance_id} {other}; exec sleep 1000"]}]
        supervised.image(mounts=[], services=services)
        supervised.runtime.boot(supervised.spec())
        eventually(lambda: "teller: 127.254.10.11 i-1 {other}" in supervised.log())

    def test_commands(self, guest: GuestBench) -> None:
        guest.image(mounts=[], services=[])
        guest.runtime.boot(guest.spec())
        done = guest.runtime.execute("i-1", "echo out; echo err >&2; exit 7", timeout_s=LIMIT_S)
        assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")
        assert guest.sh("#!/usr/bin/env python3\nimport sys; print(sys.stdin.read() == '')") == "True\n"
        assert guest.sh('cat "${IMMTF_ROOT:-}/etc/image-version"') == "1.0.0\n"
        late = guest.runtime.execute("i-1", "echo begun; sleep 100", timeout_s=3)
        assert (late.exit_code, late.stdout) == (124, "begun\n")
        background = guest.runtime.execute("i-1", "sleep 1000 & echo done", timeout_s=LIMIT_S)
        assert background.stdout == "done\n"

    def test_a_guest_that_powers_itself_off(self, guest: GuestBench) -> None:
        guest.image(mounts=[], services=[])
        guest.runtime.boot(guest.spec())
        with suppress(RuntimeFailed):  # it may be off before the answer is out
            guest.runtime.execute("i-1", f"nohup sh -c '{POWER_OFF}' >/dev/null 2>&1 &", timeout_s=LIMIT_S)
        eventually(lambda: not guest.runtime.is_running("i-1"))
        guest.runtime.start("i-1")
        assert guest.sh("echo back") == "back\n"

    def test_an_image_of_a_running_instance_lacks_what_is_mounted(self, guest: GuestBench) -> None:
        with_volume(guest)
        guest.sh('echo baked > "$IMMTF_ROOT/etc/baked"')
        guest.runtime.create_image("ami-2", "i-1")
        guest.runtime.boot(guest.spec("i-2", image_id="ami-2", host=12))
        assert guest.sh(f'cat "$IMMTF_ROOT/etc/baked"; ls "$IMMTF_ROOT{DATA}"', "i-2") == "baked\n"

    def test_root_disks_are_not_shared(self, guest: GuestBench) -> None:
        guest.image(mounts=[], services=[])
        for number in (1, 2):
            guest.runtime.boot(guest.spec(f"i-{number}", host=10 + number))
        guest.sh('echo 2.0.0 > "$IMMTF_ROOT/etc/image-version"')
        assert guest.sh('cat "$IMMTF_ROOT/etc/image-version"', "i-2") == "1.0.0\n"

    def test_a_root_disk_outlives_a_stop_and_a_log_a_termination(self, guest: GuestBench) -> None:
        guest.image(mounts=[], services=[])
        guest.runtime.boot(guest.spec())
        guest.sh('echo kept > "$IMMTF_ROOT/note"')
        guest.runtime.stop("i-1", force=True)
        guest.runtime.start("i-1")
        assert guest.sh('cat "$IMMTF_ROOT/note"') == "kept\n"
        guest.runtime.terminate("i-1")
        assert guest.log()
        assert not isinstance(guest, ProcessBench) or not guest.home().exists()

    def test_an_image_that_can_not_be_carried_out_is_refused(self, guest: GuestBench) -> None:
        with pytest.raises(RuntimeFailed, match="comes after nothing-there, which is nowhere"):
            guest.image(services=[{**BEAT, "after": ["nothing-there"]}])
