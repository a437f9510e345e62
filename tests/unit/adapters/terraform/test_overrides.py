from __future__ import annotations

from pathlib import Path
from typing import Any

from immtf.adapters.terraform.overrides import ADDITION, OVERRIDE, generated_files, lab_override


def make_override(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "endpoint": "http://127.7.0.1:4566",
        "access_key": "k",
        "secret_key": "s",
        "state": Path("/lab/consul.tfstate"),
    }
    return lab_override(**(given | more))


def test_what_a_lab_overrides() -> None:
    override = make_override(region="eu-west-1")
    aws = override["provider"]["aws"]
    assert override["terraform"]["backend"]["local"]["path"] == "/lab/consul.tfstate"
    assert {"ec2", "sts", "iam", "s3", "ssm", "autoscaling", "elb"} <= set(aws["endpoints"][0])
    assert set(aws["endpoints"][0].values()) == {"http://127.7.0.1:4566"}
    assert (aws["region"], aws["max_retries"], aws["profile"]) == ("eu-west-1", 5, None)
    assert not {"s3_force_path_style", "s3_use_path_style", "skip_get_ec2_platforms"} & set(aws)
    assert "region" not in make_override()["provider"]["aws"]


def test_the_users_block_is_merged_into(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {\n  region = "eu-west-1"\n}\nprovider "aws" {\n  alias = "east"\n}\n')
    files = generated_files(tmp_path, make_override(region="x"))
    default, east = files[OVERRIDE]["provider"]["aws"]
    assert ADDITION not in files
    assert ("alias" in default, default["region"]) == (False, "x")
    assert (east["alias"], "region" in east) == ("east", False)
    assert default["endpoints"] == east["endpoints"]


def test_without_a_block_to_merge_into_it_is_an_ordinary_file(tmp_path: Path) -> None:
    files = generated_files(tmp_path, make_override())
    assert files[OVERRIDE] == {"terraform": make_override()["terraform"]}
    assert files[ADDITION] == {"provider": {"aws": make_override()["provider"]["aws"]}}


def test_with_aliases_only_it_is_both(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {\n  alias = "east"\n}\n')
    files = generated_files(tmp_path, make_override())
    assert [block["alias"] for block in files[OVERRIDE]["provider"]["aws"]] == ["east"]
    assert "alias" not in files[ADDITION]["provider"]["aws"]
