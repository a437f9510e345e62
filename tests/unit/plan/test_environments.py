from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immtf.model.environment import Backend, Environment
from immtf.plan.environments import (
    KEY,
    as_test,
    filled,
    identity,
    in_lab,
    named,
    shared_with,
    tells_apart,
    texts,
    variables_of,
    with_defaults,
)

S3 = with_defaults(Backend("s3", {"bucket": "b"}), "")


def make_environment(name: str = "staging", backend: Backend | None = None, **more: Any) -> Environment:
    file = Path(f"/environments/{name}.yaml")
    return Environment(
        name=name, kind="production", file=file, backend=backend or with_defaults(Backend("s3", {"bucket": "b"}), ""), **more
    )


@pytest.mark.parametrize(
    ("config", "region", "made"),
    [
        ({"bucket": "b"}, "", {"bucket": "b", "key": KEY, "use_lockfile": True}),
        ({"bucket": "b"}, "eu-west-1", {"bucket": "b", "key": KEY, "use_lockfile": True, "region": "eu-west-1"}),
        ({"bucket": "b", "region": "us-east-1"}, "eu-west-1", {"bucket": "b", "key": KEY, "use_lockfile": True, "region": "us-east-1"}),
        ({"bucket": "b", "prefix": "/a/b/"}, "", {"bucket": "b", "key": f"a/b/{KEY}", "use_lockfile": True}),
        ({"bucket": "b", "key": "{block}", "use_lockfile": False}, "", {"bucket": "b", "key": "{block}", "use_lockfile": False}),
    ],
)
def test_what_a_definition_leaves_out_of_s3(config: dict[str, Any], region: str, made: dict[str, Any]) -> None:
    assert with_defaults(Backend("s3", config), region) == Backend("s3", made)


def test_other_backends_pass_through() -> None:
    http = Backend("http", {"address": "https://states/{environment}/{block}", "retry_max": 3})
    assert with_defaults(http, "eu-west-1") == http


def test_placeholders_are_filled_in_every_text() -> None:
    template = Backend("x", {"a": "{environment}-{block}", "n": 3, "yes": True, "m": {"{block}": "{block}"}, "l": ["{environment}", 1]})
    made = filled(template, "staging", "consul")
    assert made == Backend("x", {"a": "staging-consul", "n": 3, "yes": True, "m": {"{block}": "consul"}, "l": ["staging", 1]})


def test_a_name_that_looks_like_a_placeholder_is_not_filled_twice() -> None:
    assert filled(Backend("x", {"a": "{environment}/{block}"}), "e", "{environment}").config["a"] == "e/{environment}"


@pytest.mark.parametrize(
    ("backend", "blocks", "environments"),
    [
        (Backend("s3", {"bucket": "b", "key": KEY}), True, True),
        (Backend("s3", {"bucket": "b-{block}", "key": "{environment}"}), True, True),
        (Backend("s3", {"bucket": "b", "key": "one", "profile": "{environment}-{block}"}), False, False),
        (Backend("local", {"path": "/states/{block}"}), True, False),
        (Backend("local", {"path": "/states/{environment}"}), False, True),
        (Backend("http", {"address": "https://states", "lock_address": "https://states/{environment}/{block}"}), False, False),
        (Backend("pg", {"schema_name": "{environment}_{block}"}), True, True),
        (Backend("pg", {"schema_name": "states"}), False, False),
    ],
    ids=lambda value: value.kind if isinstance(value, Backend) else str(value),
)
def test_whether_a_template_tells_states_apart(backend: Backend, blocks: bool, environments: bool) -> None:
    assert (tells_apart(backend, blocks=True), tells_apart(backend, blocks=False)) == (blocks, environments)


def test_environments_that_would_share_their_states() -> None:
    one = make_environment("one", Backend("local", {"path": "/states/{block}"}))
    other = make_environment("other", Backend("local", {"path": "/states/{block}", "workspace_dir": "w"}))
    apart = make_environment("apart", Backend("local", {"path": "/states/{environment}/{block}"}))
    assert shared_with(one, [one, apart, other]) == other
    assert shared_with(apart, [one, apart, other]) is None
    assert identity(Backend("local", {"path": "x"})) != identity(Backend("http", {"path": "x"}))


def test_a_block_s_own_variables_go_before_those_of_all() -> None:
    environment = make_environment(variables={"size": 1, "zone": "a"}, blocks={"consul": {"size": 3}})
    assert variables_of(environment, "consul") == {"size": 3, "zone": "a"}
    assert variables_of(environment, "base") == {"size": 1, "zone": "a"}


def test_what_a_test_makes_by_a_definition() -> None:
    made = as_test(make_environment(variables={"a": 1}), "t-0a1b2c3d")
    assert (made.name, made.is_test, made.variables, made.file.name) == ("t-0a1b2c3d", True, {"a": 1}, "staging.yaml")


def test_in_a_lab_nothing_leads_to_a_real_account() -> None:
    real = {"bucket": "b", "key": KEY, "profile": "admin", "assume_role": {"role_arn": "arn"}, "endpoints": {"sts": "https://sts"}}
    made = in_lab(Backend("s3", real), endpoint="http://127.1.0.1:1", region="eu-central-1")
    assert made is not None
    named = {name: value for name, value in made.config.items() if value is not True}
    assert named == {"bucket": "b", "key": KEY, "region": "eu-central-1", "endpoints": {"s3": "http://127.1.0.1:1"}}
    assert made.config["use_lockfile"] is True


@pytest.mark.parametrize("kind", ["local", "http", "gcs"])
def test_in_a_lab_real_states_elsewhere_are_left_alone(kind: str) -> None:
    assert in_lab(Backend(kind, {"path": "/real/{block}", "address": "https://real"}), endpoint="e", region="r") is None


def test_the_texts_of_a_value() -> None:
    assert list(texts({"a": "x", "b": ["y", 1, {"c": "z"}], "d": None})) == [(("a",), "x"), (("b", 0), "y"), (("b", 2, "c"), "z")]


def test_a_state_is_named_by_the_settings_that_name_it() -> None:
    assert named(Backend("s3", {"bucket": "b", "key": "k", "profile": "p", "endpoints": {}})) == "s3 (bucket b, key k)"
    assert named(Backend("local", {"path": "/x"})) == "local (path /x)"
    assert named(Backend("pg", {"conn_str": "postgres://eve:secret@db"})) == "pg", "what isn't known may be a secret"
