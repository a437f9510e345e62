"""What is asked of a lab that is up: images, calls and orders, the environment that leads to it; real controllers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import LabFailed
from immtf.lab import client
from tests.contract.runtime_benches import make_tree
from tests.unit.lab.controller.benches import make_ec2, run_instance

if TYPE_CHECKING:
    from pathlib import Path


def test_another_lab_s_token_is_refused(folder: Path) -> None:
    lab = client.up(folder, path=[])
    stranger = client.Lab.of(folder, {**json.loads((folder / "lab.json").read_text()), "token": "guessed"})
    with pytest.raises(LabFailed, match="not this lab's token"):
        stranger.ask("POST", "down")
    assert lab.status() == ()


def test_a_lab_that_gives_no_answer(folder: Path) -> None:
    lab = client.up(folder, path=[])
    nowhere = client.Lab.of(folder, {**json.loads((folder / "lab.json").read_text()), "endpoint": "http://127.255.0.1:4566"})
    with pytest.raises(LabFailed, match=f"pid {lab.pid}.* gives no answer"):
        nowhere.status()


def test_images_are_registered_once_per_content(folder: Path, tmp_path: Path) -> None:
    lab = client.up(folder, path=[])
    tree = make_tree(tmp_path / "tree", mounts=[], services=[])
    first = lab.register_image("family", "1.0.0", tree)
    assert lab.register_image("family", "1.0.0", tree) == first
    (tree / "etc/more").touch()
    second = lab.register_image("family", "1.0.0", tree)
    assert second != first
    assert {row["image_id"] for row in lab.images()} == {first, second}
    ec2 = make_ec2(lab)
    tags = {tag["Key"]: tag["Value"] for tag in ec2.describe_images(ImageIds=[first])["Images"][0]["Tags"]}
    ec2.close()
    promoted = {"immtf:promoted": "registered by the lab"}
    assert tags == {"Name": "family-1.0.0", "immtf:family": "family", "immtf:version": "1.0.0"} | promoted


def test_an_image_that_can_not_be_one_is_refused(folder: Path, tmp_path: Path) -> None:
    lab = client.up(folder, path=[])
    with pytest.raises(LabFailed, match="is not there"):
        lab.register_image("family", "1.0.0", tmp_path / "nowhere")
    bad = make_tree(tmp_path / "bad", mounts=[], services=[{"name": "a", "command": ["b"], "after": ["c"]}])
    with pytest.raises(LabFailed, match="a comes after c, which is nowhere"):
        lab.register_image("family", "1.0.0", bad)
    assert lab.images() == ()


def test_calls_are_counted_and_answers_can_be_ordered(folder: Path) -> None:
    lab = client.up(folder, path=[])
    ec2 = make_ec2(lab)
    lab.order("DescribeVpcs", {"fail": {"code": "RequestLimitExceeded", "status": 503}})
    with pytest.raises(ec2.exceptions.ClientError, match="RequestLimitExceeded"):
        ec2.describe_vpcs()
    ec2.describe_vpcs()
    ec2.close()
    assert lab.calls() == {"ec2.DescribeVpcs": 2}
    with pytest.raises(LabFailed, match="isn't understood"):
        lab.order("DescribeVpcs", {"explode": True})
    lab.clear_orders()


def test_the_environment_leads_to_the_lab_and_nowhere_else(folder: Path) -> None:
    lab = client.up(folder, path=[])
    base = {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real", "NO_PROXY": "localhost"}
    environment = lab.environment(base)
    assert environment["PATH"] == "/bin"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environment.keys()
    assert environment["AWS_ENDPOINT_URL"] == lab.endpoint
    assert environment["NO_PROXY"].startswith("localhost,127.")
    assert "PATH" not in lab.environment()


def test_the_guests_find_the_programs_that_were_named(folder: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sleeper-program").write_text("#!/bin/sh\nexec sleep 1000\n")
    (programs / "sleeper-program").chmod(0o755)
    lab = client.up(folder, path=[programs])
    services: list[Any] = [{"name": "sleeper", "command": ["sleeper-program"]}]
    run_instance(lab, make_tree(tmp_path / "tree", mounts=[], services=services))
