from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform.overrides import (
    ADDITION,
    OVERRIDE,
    environment_override,
    generated_files,
    lab_override,
    untagged,
    with_tags,
)
from immtf.model.environment import Backend

if TYPE_CHECKING:
    from pathlib import Path

S3 = Backend("s3", {"bucket": "b", "key": "k"})


def make_override(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "endpoint": "http://127.7.0.1:4566",
        "access_key": "k",
        "secret_key": "s",
        "backend": Backend("local", {"path": "/lab/consul.tfstate"}),
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


def test_an_environment_on_aws_overrides_the_backend_and_the_default_region_only(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {\n  region = "eu-west-1"\n}\nprovider "aws" {\n  alias = "east"\n}\n')
    files = generated_files(tmp_path, environment_override(S3, region="eu-central-1"))
    assert files == {
        OVERRIDE: {
            "terraform": {"backend": {"s3": {"bucket": "b", "key": "k"}}},
            "provider": {"aws": [{"region": "eu-central-1"}, {"alias": "east"}]},
        }
    }


@pytest.mark.parametrize("tags", [{}, {"immtf:class": "test"}])
def test_a_provider_that_nothing_uses_is_not_added(tmp_path: Path, tags: dict[str, str]) -> None:
    (tmp_path / "main.tf").write_text('resource "terraform_data" "this" {}\n')
    override = with_tags(environment_override(S3, region="eu-central-1"), tags, tmp_path)
    assert generated_files(tmp_path, override) == {OVERRIDE: environment_override(S3)}


@pytest.mark.parametrize(
    "uses",
    [
        'resource "aws_vpc" "this" {}',
        "terraform {\n required_providers {\n  aws = {\n  }\n }\n}",
        'module "vpc" {\n source = "terraform-aws-modules/vpc/aws"\n}',
        'module "own" {\n source = "./own"\n}',
    ],
)
def test_tags_need_a_block_where_the_provider_is_used(tmp_path: Path, uses: str) -> None:
    (tmp_path / "main.tf").write_text(uses)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/main.tf.json").write_text('{"resource": {"aws_vpc": {"this": {}}}}')
    files = generated_files(tmp_path, with_tags(environment_override(S3), {"immtf:class": "test"}, tmp_path))
    assert files[ADDITION] == {"provider": {"aws": {"default_tags": [{"tags": {"immtf:class": "test"}}]}}}


def test_tags_go_into_every_block_and_into_a_lab_s_too(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {\n default_tags {\n tags = var.t\n }\n}\nprovider "aws" {\n alias = "east"\n}\n')
    override = with_tags(make_override(), {"immtf:class": "test"}, tmp_path)
    default, east = generated_files(tmp_path, override)[OVERRIDE]["provider"]["aws"]
    assert default["default_tags"] == [{"tags": '${merge(var.t, {"immtf:class" = "test"})}'}]
    assert east["default_tags"] == [{"tags": {"immtf:class": "test"}}]
    assert (east["alias"], default["endpoints"]) == ("east", east["endpoints"])
    assert untagged(tmp_path, override) == ()


def test_a_tag_that_the_configuration_sets_itself_is_left_to_it(tmp_path: Path) -> None:
    """Provider 3.39 plans such a one again and again."""
    (tmp_path / "main.tf").write_text('module "a" {\n source = "./a"\n}\n# "immtf:class"\n')
    (tmp_path / "a").mkdir()
    (tmp_path / "a/main.tf").write_text('locals { t = { "immtf:environment" = 1 } }')
    override = with_tags({}, {"immtf:environment": "t-1", "immtf:class": "test"}, tmp_path)
    assert override["provider"]["aws"]["default_tags"] == {"immtf:class": "test"}
    assert with_tags({"a": 1}, {"immtf:environment": "t-1"}, tmp_path) == {"a": 1}


def test_a_block_whose_tags_can_t_be_read_keeps_them_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {\n dynamic "default_tags" {\n }\n}\nprovider "aws" {\n alias = "east"\n}\n')
    override = with_tags(environment_override(S3), {"immtf:class": "test"}, tmp_path)
    default, east = generated_files(tmp_path, override)[OVERRIDE]["provider"]["aws"]
    assert ("default_tags" in default, "default_tags" in east) == (False, True)
    assert untagged(tmp_path, override) == ("",)
    assert untagged(tmp_path, {}) == ()
