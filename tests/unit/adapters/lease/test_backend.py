"""Where the state is, from what `terraform init` wrote: the object, the workspace, and how the bucket is spoken to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.lease.backend import Backend, S3Place, read_backend
from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"bucket": "states", "key": "prod/consul.tfstate", "region": "eu-west-1", "endpoints": None, "profile": None, "encrypt": None}


def initialised(root: Path, config: dict[str, Any], kind: str = "s3") -> Path:
    (root / ".terraform").mkdir(exist_ok=True)
    (root / ".terraform/terraform.tfstate").write_text(json.dumps({"version": 3, "backend": {"type": kind, "config": config, "hash": 1}}))
    return root


def place(root: Path, environment: dict[str, str] | None = None, **more: Any) -> S3Place:
    found = read_backend(initialised(root, PLAIN | more), environment or {}).s3
    assert found is not None
    return found


def test_the_lease_is_beside_the_state(tmp_path: Path) -> None:
    found = place(tmp_path)
    assert found == S3Place(bucket="states", key="prod/consul.tfstate", region="eu-west-1")
    assert (found.lease, found.lock) == ("prod/consul.tfstate.immtf-lease", "prod/consul.tfstate.tflock")


@pytest.mark.parametrize(
    ("environment", "file", "more", "key"),
    [
        ({"TF_WORKSPACE": "blue"}, "green", {}, "env:/blue/prod/consul.tfstate"),
        ({}, "green\n", {}, "env:/green/prod/consul.tfstate"),
        ({}, "green", {"workspace_key_prefix": "spaces"}, "spaces/green/prod/consul.tfstate"),
        ({}, "default", {"workspace_key_prefix": "spaces"}, "prod/consul.tfstate"),
    ],
)
def test_each_workspace_has_its_own(tmp_path: Path, environment: dict[str, str], file: str, more: dict[str, str], key: str) -> None:
    initialised(tmp_path, PLAIN)
    (tmp_path / ".terraform/environment").write_text(file)
    assert place(tmp_path, environment, **more).key == key


@pytest.mark.parametrize(
    ("more", "environment", "endpoint"),
    [
        ({"endpoints": {"s3": "http://127.0.0.1:1", "sts": None}}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "http://127.0.0.1:1"),
        ({"endpoints": [{"s3": "http://127.0.0.1:1"}]}, {}, "http://127.0.0.1:1"),
        ({"endpoint": "http://127.0.0.1:2"}, {}, "http://127.0.0.1:2"),
        ({}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:3"}, "http://127.0.0.1:3"),
        ({}, {"AWS_S3_ENDPOINT": "http://127.0.0.1:4"}, "http://127.0.0.1:4"),
        ({}, {}, ""),
    ],
)
def test_an_endpoint_of_its_own(tmp_path: Path, more: dict[str, Any], environment: dict[str, str], endpoint: str) -> None:
    assert place(tmp_path, environment, **more).endpoint == endpoint


def test_both_names_of_the_path_style(tmp_path: Path) -> None:
    assert place(tmp_path, use_path_style=True).path_style
    assert place(tmp_path, force_path_style=True).path_style
    assert not place(tmp_path, use_path_style=None).path_style


def test_a_write_is_encrypted_as_the_state_is(tmp_path: Path) -> None:
    assert place(tmp_path, encrypt=True).arguments == {"ServerSideEncryption": "AES256"}
    found = place(tmp_path, encrypt=True, kms_key_id="key-1", acl="private")
    assert found.arguments == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1", "ACL": "private"}


@pytest.mark.parametrize(
    "more",
    [
        {"assume_role": {"role_arn": "arn:r", "external_id": "x", "session_name": None, "duration": None}},
        {"assume_role": [{"role_arn": "arn:r", "external_id": "x"}]},
        {"role_arn": "arn:r", "external_id": "x"},
    ],
)
def test_a_role_is_assumed_as_configured(tmp_path: Path, more: dict[str, Any]) -> None:
    assert place(tmp_path, **more).role == {"RoleArn": "arn:r", "ExternalId": "x"}


def test_no_key_is_shown(tmp_path: Path) -> None:
    """F49."""
    found = place(tmp_path, access_key="AKIA1", secret_key="hidden-1", token="hidden-2", profile="p")
    assert (found.access_key, found.secret_key, found.token, found.profile) == ("AKIA1", "hidden-1", "hidden-2", "p")
    assert "hidden" not in repr(found)


def test_a_state_on_this_machine_or_elsewhere(tmp_path: Path) -> None:
    assert read_backend(tmp_path, {}) == Backend("local")
    assert read_backend(initialised(tmp_path, {"path": "x"}, "local"), {}) == Backend("local")
    assert read_backend(initialised(tmp_path, {"bucket": "b"}, "gcs"), {}) == Backend("gcs")
    (tmp_path / ".terraform/terraform.tfstate").write_text("{}")
    assert read_backend(tmp_path, {}) == Backend("local")


def test_another_data_directory(tmp_path: Path) -> None:
    initialised(tmp_path, PLAIN)
    (tmp_path / ".terraform").rename(tmp_path / "data")
    assert read_backend(tmp_path, {"TF_DATA_DIR": "data"}).kind == "s3"


@pytest.mark.parametrize("text", ["", "[]", '{"backend": {"type": "s3"}}', '{"backend": {"type": "s3", "config": {"bucket": "b"}}}'])
def test_what_can_not_be_read_is_not_taken_for_local(tmp_path: Path, text: str) -> None:
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform/terraform.tfstate").write_text(text)
    with pytest.raises(ImmtfError, match="the backend's record can't be read") as caught:
        read_backend(tmp_path, {})
    assert "terraform init" in caught.value.next
