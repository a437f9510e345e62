"""Beside which states records of environments can be kept; how they are, is in the contract tests, against moto."""

from __future__ import annotations

import pytest

from immtf.adapters.bucket import Bucket
from immtf.model.environment import Backend


@pytest.mark.parametrize(
    ("kind", "key", "serves"),
    [
        ("s3", "a/{environment}/{block}/terraform.tfstate", True),
        ("s3", "{environment}/{block}.tfstate", True),
        ("s3", "{environment}/terraform.tfstate", True),
        ("s3", "{block}/{environment}/terraform.tfstate", False),
        ("s3", "{environment}-{block}.tfstate", False),
        ("s3", "", False),
        ("http", "a/{environment}/{block}", False),
    ],
)
def test_records_are_kept_where_an_environment_has_a_directory_of_its_own(kind: str, key: str, serves: bool) -> None:
    assert Bucket.serves(Backend(kind, {"bucket": "b", "key": key})) is serves


@pytest.mark.parametrize("bucket", ["b-{environment}", "b-{block}"])
def test_none_are_kept_where_each_environment_has_a_bucket_of_its_own(bucket: str) -> None:
    """They could not be listed."""
    assert not Bucket.serves(Backend("s3", {"bucket": bucket, "key": "{environment}/{block}/terraform.tfstate"}))
