from __future__ import annotations

import json
from typing import TYPE_CHECKING

from immtf.lab.docker.units import META_DATA, generate, main, mount_unit, units
from immtf.lab.guest.boot import BootPlan, Mount, ServiceSpec

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

VALUES = {"root": "", "address": "10.9.0.11", "instance_id": "i-0abc"}
DATA = Mount("/dev/xvdf", "/var/lib/data", check_s=1.5)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_mount_waits_for_its_device_without_limit() -> None:
    unit = lines(units(BootPlan((DATA,)), VALUES)["lab-mount-var-lib-data.service"])
    assert 'ExecStart="/usr/lib/immtf-lab/mount" "/dev/xvdf" "/var/lib/data" "1.5"' in unit
    assert 'ExecStop=-"/bin/umount" "/var/lib/data"' in unit
    assert {"Type=oneshot", "RemainAfterExit=yes", "TimeoutStartSec=infinity", "After=cloud-final.service"} <= set(unit)


def test_a_mount_inside_another_one_comes_after_it() -> None:
    deep = Mount("/dev/xvdg", "/var/lib/data/wal")
    written = units(BootPlan((deep, DATA)), VALUES)
    assert f"Requires={mount_unit('/var/lib/data')}" in written[mount_unit("/var/lib/data/wal")]
    assert "Requires" not in written[mount_unit("/var/lib/data")]


def test_a_service_requires_its_mounts_and_is_started_again() -> None:
    service = ServiceSpec("web", ("serve", "{root}/srv", "{address}", '50% of "$HOME"\\'), ("/var/lib/data", "db"), 7.0)
    unit = lines(units(BootPlan((DATA,), (ServiceSpec("db", ("db",)), service)), VALUES)["web.service"])
    assert r'ExecStart="serve" "/srv" "10.9.0.11" "50%% of \"$$HOME\"\\"' in unit
    assert {"Restart=always", "TimeoutStopSec=7", "StartLimitBurst=10"} <= set(unit)
    assert unit[3:7] == [
        "After=lab-mount-var-lib-data.service",
        "Requires=lab-mount-var-lib-data.service",
        "After=db.service",
        "Wants=db.service",
    ]


def test_a_service_has_an_address_as_long_as_it_runs() -> None:
    service = ServiceSpec("web", ("serve", "http://{address:2}:80", "{address}"), ("interface:2",))
    written = units(BootPlan((), (service,)), VALUES)
    assert 'ExecStart="serve" "http://${IMMTF_LAB_ADDRESS_2}:80" "10.9.0.11"' in lines(written["web.service"])
    assert {
        "After=lab-interface-2.service",
        "Requires=lab-interface-2.service",
        "EnvironmentFile=-/run/immtf-lab/interface-2",
    } <= set(lines(written["web.service"]))
    unit = lines(written["lab-interface-2.service"])
    assert 'ExecStart="/bin/sh" "-c" "until [ -e /run/immtf-lab/interface-2 ]; do sleep 0.3; done"' in unit
    assert {"Type=oneshot", "RemainAfterExit=yes", "TimeoutStartSec=infinity"} <= set(unit)


def guest(root: Path, boot: str) -> Path:
    for path, text in {META_DATA: json.dumps({"instance-id": "i-0abc", "local-ipv4": "10.9.0.11"}), "etc/lab/boot.json": boot}.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    return root


def test_units_are_written_and_wanted_by_the_target(tmp_path: Path) -> None:
    boot = {"services": [{"name": "web", "command": ["serve", "{address}", "{instance_id}"]}]}
    generate(guest(tmp_path / "root", json.dumps(boot)), tmp_path / "units")
    assert 'ExecStart="serve" "10.9.0.11" "i-0abc"' in (tmp_path / "units/web.service").read_text()
    assert (tmp_path / "units/lab.target.wants/web.service").resolve() == (tmp_path / "units/web.service").resolve()


def test_an_image_without_a_boot_file_has_no_units(tmp_path: Path) -> None:
    generate(tmp_path, tmp_path / "units")
    assert not (tmp_path / "units").exists()


def test_a_boot_file_that_can_not_be_carried_out_makes_no_units_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = guest(tmp_path / "root", '{"mount": []}')
    assert main([str(tmp_path / "units"), str(root)]) == 1
    assert "unknown key 'mount'" in capsys.readouterr().err
    assert list((tmp_path / "units").rglob("*.service")) == []
    (root / "etc/lab/boot.json").unlink()
    assert main([str(tmp_path / "units"), str(root)]) == 0
