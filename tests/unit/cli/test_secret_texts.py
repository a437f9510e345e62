"""F49: which texts are secret, in whichever form they might be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immtf.cli.secret_texts import secret_texts, texts_of
from immtf.model.block import Block, Cluster, ConsulGate, EtcdGate

SECRET = "s3cr3t word's"


def make_block(token_env: str | None = None) -> Block:
    clusters = {"server": Cluster("server", "module.server", (ConsulGate(token_env=token_env),))}
    return Block("b", "1.0.0", Path("/b"), Path("/b/immtf.yaml"), Path("/b"), clusters=clusters)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "CONSUL_HTTP_TOKEN",
        "DB_PASSWORD",
        "TOKEN",
        "github_token",
        "X_API_KEY",
        "TLS_PRIVATE_KEY",
        "TF_TOKEN_app_terraform_io",
        "PGPASSWORD",
        "MYSQL_PWD",
    ],
)
def test_variables_that_are_secret_by_their_name(name: str) -> None:
    assert SECRET in secret_texts(make_block(), {name: SECRET}, {}, ())


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "TOKENS_DIR", "PASSWORD_FILE", "HOME", "MY_WORD"])
def test_other_variables_are_not(name: str) -> None:
    assert secret_texts(make_block(), {name: "/home/somebody"}, {}, ()) == []


def test_the_token_that_a_gate_names() -> None:
    assert SECRET in secret_texts(make_block("MY_WORD"), {"MY_WORD": SECRET}, {}, ())


def test_the_password_of_etcd_s_user_also_by_itself() -> None:
    """What denies it may repeat the password without the user."""
    clusters = {"server": Cluster("server", "module.server", (EtcdGate(user_env="MY_WORD"),))}
    block = Block("b", "1.0.0", Path("/b"), Path("/b/immtf.yaml"), Path("/b"), clusters=clusters)
    texts = secret_texts(block, {"MY_WORD": f"root:{SECRET}\n"}, {}, ())
    assert {SECRET, f"root:{SECRET}"} <= set(texts)
    assert SECRET in secret_texts(make_block(), {"ETCDCTL_USER": f"root:{SECRET}"}, {}, ())
    assert SECRET in secret_texts(make_block(), {"ETCDCTL_PASSWORD": SECRET}, {}, ())
    assert secret_texts(make_block(), {"ETCDCTL_USER": "somebody"}, {}, ()) == []


@pytest.mark.parametrize(
    ("value", "texts"),
    [(SECRET, {SECRET}), ({"a": [SECRET, 12345678]}, {SECRET, "12345678"}), (True, set()), (None, set()), ("short", set())],
    ids=["text", "deep", "true", "nothing", "short"],
)
def test_sensitive_variables_however_they_are_given(value: Any, texts: set[str]) -> None:
    given = secret_texts(make_block(), {}, {"v": value, "other": "not a secret"}, ("v",))
    assert texts <= set(given)
    assert bool(given) == bool(texts)
    assert "not a secret" not in given


def test_a_sensitive_variable_in_the_environment() -> None:
    given = secret_texts(make_block(), {"TF_VAR_v": '["' + SECRET + '"]', "TF_VAR_other": "not a secret"}, {}, ("v",))
    assert SECRET in given
    assert "not a secret" not in given


def test_every_form_of_it_the_longest_first() -> None:
    given = secret_texts(make_block(), {"TOKEN": 'a"b c\\d'}, {}, ())
    assert {'a"b c\\d', "'a\"b c\\d'", 'a\\"b c\\\\d', "a%22b%20c%5Cd"} == set(given)
    assert [len(text) for text in given] == sorted(map(len, given), reverse=True)


def test_a_secret_with_a_line_end_and_one_of_several_lines() -> None:
    """F49: a server tells the token without the line's end that a file gave it; what is told line by line is masked line by line."""
    given = secret_texts(make_block(), {"TOKEN": "0123456789\n", "TLS_PRIVATE_KEY": "-----\nMIIEowIBAAKCAQEA\n}\n"}, {}, ())
    assert "0123456789" in given
    assert "MIIEowIBAAKCAQEA" in given
    assert "}" not in given


def test_values_of_any_shape_in_every_form() -> None:
    """F49: as a sensitive output of another block has them."""
    given = texts_of([{"key": ['a"b c\\d', 12345678]}, True, None, "short"])
    assert {'a"b c\\d', "a%22b%20c%5Cd", "12345678"} <= set(given)
    assert not {"True", "None", "short"} & set(given)
