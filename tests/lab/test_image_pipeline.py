"""From an image that was built to one that blocks take: proven, let out, rolled out; and bad ones, which never get that far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rehearsal import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.child import Ended
    from tests.lab.rehearsal import Rehearsal

BROKEN = REPOSITORY / "tests/data/images/consul/1.2.0-bad"
WIPE = "test -e {root}/etc/wiped || { find {root}/var/lib/consul/ -mindepth 1 -delete; touch {root}/etc/wiped; }; exec sleep 1000000"
HANG = """
[Unit]
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sleep infinity
TimeoutStartSec=infinity
"""
CHECKS = """
def test_consul_answers(host, node):
    assert host.run(f"consul info -http-addr=http://{node.address}:8500").rc == 0
"""


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    """The image's own tests: its service answers."""
    made = tmp_path / "checks"
    made.mkdir()
    (made / "test_consul.py").write_text(CHECKS)
    return made


@pytest.mark.lab(minutes=3)
def test_a_good_image_is_verified_promoted_and_taken(rehearsal: Rehearsal, checks: Path) -> None:
    rehearsal.copy_block()
    rehearsal.add_image("1.2.0", promoted=False)

    refused = rehearsal.image("promote", "1.2.0").expect(20).one("run_halted")
    assert "is not verified" in refused["what"]
    assert refused["next"].startswith("`immtf image verify ami-")
    verified = rehearsal.image("verify", "1.2.0", "--tests", str(checks), "--calm", "2").expect(0)
    assert "(boot, no volume, late blank volume, foreign bytes, first-boot mark, tests, volume with data)" in noted(verified)
    assert rehearsal.cloud.instances() == {}, "the trial's instances are gone"
    assert image(rehearsal, "1.2.0")["promoted"] == "-"
    rehearsal.image("promote", "1.2.0").expect(0)
    assert rehearsal.image("promote", "1.2.0").expect(0).last["outcome"] == "nothing_to_do"

    ran = rehearsal.run("test-upgrade", "--yes", "--lab-name", "default").expect(0)
    assert "from 1.1.0 to 1.2.0" in noted(ran)
    assert ran.last["nodes_replaced"] == 3
    assert ran.last["writes_lost"] == 0


@pytest.mark.lab(minutes=3)
def test_bad_images_are_never_promoted(rehearsal: Rehearsal, checks: Path) -> None:
    """One whose service doesn't start, one that formats its volume, one that hangs at boot: each fails and is told why.

    The first two are removed; the last one nobody could ask, so it stays unverified.
    """
    rehearsal.copy_block()
    rehearsal.add_image("1.2.0", BROKEN, promoted=False)
    wiping(rehearsal.add_image("1.3.0", promoted=False))
    rehearsal.add_image("1.4.0", promoted=False)
    quick = ("--calm", "2", "--checks-limit", "45")

    dead = rehearsal.image("verify", "1.2.0", "--tests", str(checks), *quick).expect(20).one("run_halted")
    assert "test_consul_answers" in dead["what"]
    assert "was removed, with its snapshots" in dead["what"]
    formats = rehearsal.image("verify", "1.3.0", *quick).expect(20).one("run_halted")
    assert "the image emptied a volume that held data" in formats["what"]
    rehearsal.lab.order("ssm.SendCommand", {"fail": {"code": "InvalidInstanceId"}}, times=None)
    hangs = rehearsal.image("verify", "1.4.0", "--boot-limit", "20", *quick).expect(20).one("run_halted")
    rehearsal.lab.clear_orders()
    assert "could not be asked: SSM does not reach the instance" in hangs["what"]
    assert "its console ends with:" in hangs["what"]
    assert "booting, pid" in hangs["what"]
    assert "stays as it was: that may be the place's doing" in hangs["what"]

    left = {row["version"]: row for row in rehearsal.image("list").expect(0).one("images_listed")["rows"]}
    assert sorted(left) == ["1.0.0", "1.1.0", "1.4.0"], "what failed is gone, but for what nobody could ask"
    assert (left["1.4.0"]["verified"], left["1.4.0"]["promoted"]) == ("-", "-")
    refused = rehearsal.image("promote", "1.4.0").expect(20).one("run_halted")
    assert "is not verified" in refused["what"]
    assert rehearsal.cloud.instances() == {}


@pytest.mark.docker
@pytest.mark.lab(minutes=2)
def test_an_image_that_hangs_at_boot_is_removed(rehearsal: Rehearsal) -> None:
    """A machine that really boots, and whose systemd waits for ever: it is told what for."""
    rehearsal.copy_block()
    units = rehearsal.add_image("1.2.0", promoted=False) / "etc/systemd/system"
    (units / "sysinit.target.requires").mkdir(parents=True)
    (units / "hang.service").write_text(HANG)
    (units / "sysinit.target.requires/hang.service").symlink_to("../hang.service")

    hangs = rehearsal.image("verify", "1.2.0", "--boot-limit", "45", "--lab-runtime", "docker").expect(20).one("run_halted")
    assert "has not booted, and waits for" in hangs["what"]
    assert "hang.service" in hangs["what"]
    assert "was removed, with its snapshots" in hangs["what"]
    assert rehearsal.cloud.instances() == {}


def noted(ended: Ended) -> str:
    """Return all notes of a run."""
    return "\n".join(str(event["message"]) for event in ended.of("noted"))


def image(rehearsal: Rehearsal, version: str) -> dict[str, Any]:
    """Return the row of an image as `image list` tells it."""
    (found,) = (row for row in rehearsal.image("list").expect(0).one("images_listed")["rows"] if row["version"] == version)
    return dict(found)


def wiping(tree: Path) -> None:
    """Let an image empty its volume at the first boot of each of its instances."""
    file = tree / "etc/lab/boot.json"
    boot = json.loads(file.read_text())
    boot["services"][0]["after"] = ["/var/lib/consul", "wipe"]
    boot["services"].append({"name": "wipe", "after": ["/var/lib/consul"], "command": ["sh", "-c", WIPE]})
    file.write_text(json.dumps(boot))
