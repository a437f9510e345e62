from __future__ import annotations

import pytest

from immtf.plan.config.secrets import secret_keys, secret_values

URL, CONNECTION = "a URL with a password", "a connection string with a password"
KEY_ID = "AKIA" + "A" * 16


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("postgres://bob:hunter2@db/states", URL),
        ("HTTPS://:hunter2@host", URL),
        ("host=db user=bob password=hunter2", CONNECTION),
        ("postgres://db/states?sslmode=require&password=hunter2", CONNECTION),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==", CONNECTION),
        (f"id {KEY_ID}", "the id of an AWS access key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
    ],
)
def test_what_looks_like_a_secret_is_found_with_its_path(text: str, what: str) -> None:
    assert list(secret_values({"a": [{"b": text}]})) == [(("a", 0, "b"), what)]


@pytest.mark.parametrize(
    "text",
    [
        "postgres://db/states",
        "https://bob@host/path",
        "https://host:8080/a@b",
        "https://bob:${PASSWORD}@host",
        "https://bob:$PASSWORD@host",
        "https://bob:<password>@host",
        "host=db password=${PASSWORD}",
        "nopassword=1",
        "arn:aws:iam::123456789012:role/AKIAish",
        f"{KEY_ID}Z",
    ],
)
def test_what_only_resembles_one_is_none(text: str) -> None:
    assert list(secret_values({"a": text})) == []


def test_settings_that_are_secret_by_name_are_found_however_deep() -> None:
    settings = {"token": 1, "assume_role": [{"web_identity_token": "x", "role": "y"}], "bucket": "b"}
    assert list(secret_keys(settings)) == [("token",), ("assume_role", 0, "web_identity_token")]
