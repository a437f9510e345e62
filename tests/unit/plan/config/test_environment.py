# ruff: noqa: E501 - a mistake stands here on one line, as it is printed
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from immtf.errors import UsageError
from immtf.model.environment import Backend
from immtf.plan.config import ConfigInvalid, environment_schema, load_environment

PUBLISHED = Path(__file__).parents[4] / "docs" / "environment.schema.json"
HEAD = "environment: staging\nclass: test\n"
WHOLE = """\
environment: staging
class: production
region: eu-west-1
backend:
  s3: { bucket: acme, prefix: immtf, encrypt: true }
variables: { size: 20, zones: [a, b] }
blocks:
  consul: { variables: { nodes: [a, b, c] } }
  base: {}
"""
ALL = """\
environment: stagin
clas: test
region: eu-west-1a
backend: { s3: { buckt: acme, prefix: immtf, key: x, secret_key: x, profile: "{envirnment}" } }
variables: { "var.size": small }
blocks: { consul: { variables: { nods: [a] } } }
"""


def mistakes(directory: Path, text: str, declared: dict[str, frozenset[str]] | None = None, name: str = "staging") -> list[str]:
    """Return the mistakes in `text` without the file's name; none where it is an environment."""
    file = directory / f"{name}.yaml"
    file.write_text(text)
    try:
        load_environment(file, declared)
    except ConfigInvalid as error:
        return [str(mistake).removeprefix(f"{file}:") for mistake in error.mistakes]
    return []


def test_a_whole_definition(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(WHOLE)
    found = load_environment(tmp_path / "staging.yaml", {"consul": frozenset({"nodes"}), "other": frozenset()})
    assert (found.name, found.kind, found.is_test, found.region) == ("staging", "production", False, "eu-west-1")
    assert found.file == tmp_path / "staging.yaml"
    assert found.variables == {"size": 20, "zones": ["a", "b"]}
    assert found.blocks == {"consul": {"nodes": ["a", "b", "c"]}, "base": {}}
    key = "immtf/{environment}/{block}/terraform.tfstate"
    config = {"bucket": "acme", "encrypt": True, "key": key, "use_lockfile": True, "region": "eu-west-1"}
    assert found.backend == Backend("s3", config)


def test_a_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(HEAD + 'backend: { local: { path: "states/{environment}/{block}" } }\n')
    assert load_environment(tmp_path / "staging.yaml").backend.config["path"] == str(tmp_path / "states/{environment}/{block}")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    assert mistakes(tmp_path, ALL, {"consul": frozenset({"nodes"})}) == [
        "1:14: environment: the file of `stagin` is stagin.yaml, and this is staging.yaml; rename one of the two",
        "2:1: clas: `clas` is not known here; did you mean `class`?",
        "3:9: region: `eu-west-1a` is not a region, like `eu-west-1`; a zone has a letter behind it",
        "4:16: backend.s3: `bucket` is missing; `s3: { bucket: … }`",
        "4:16: backend.s3: all blocks would share one state; put `{block}` into `key` or `bucket`",
        "4:25: backend.s3.buckt: `buckt` is not known here; did you mean `bucket`?",
        "4:39: backend.s3.prefix: `prefix` is the beginning of the key that immtf makes, and `key` is given; leave one of the two out",
        "4:66: backend.s3.secret_key: secrets don't belong in this file; give it by the environment variable of the backend",
        "4:78: backend.s3.profile: `{envirnment}` is nothing that is filled in; did you mean `{environment}`?",
        "5:14: variables.var.size: `var.size` is not the name of a Terraform variable; `size`?",
        "6:40: blocks.consul.variables.nods: block `consul` declares no variable `nods`; did you mean `nodes`?",
    ]


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("{}", "3:10: backend: a backend is one kind with its settings; `backend: { s3: { bucket: NAME } }` for a start"),
        ("{ s3: { bucket: a }, local: {} }", "3:10: backend: a backend is one kind with its settings; `backend: { s3: { bucket: NAME } }` for a start"),
        ("s3", "3:10: backend: should be a mapping (`key: value`), is the text `s3`"),
        ("{ s3: acme }", "3:16: backend.s3: should be a mapping (`key: value`), is the text `acme`"),
        ("{ s3: { bucket: 3 } }", "3:16: backend.s3: `bucket` is missing; `s3: { bucket: … }`"),
        ("{ s3: { bucket: a, prefix: 3 } }", "3:37: backend.s3.prefix: `prefix` should be text"),
        ("{ htp: { address: '{environment}{block}' } }", "3:17: backend.htp: `htp` is no backend; did you mean `http`?"),
        ("{ quux: { x: '{environment}{block}' } }", "3:18: backend.quux: `quux` is no backend; Terraform's are artifactory, azurerm, consul, cos, etcd, etcdv3, gcs, http, inmem, kubernetes, local, manta, oci, oss, pg, s3, swift"),
        ("{ remote: { name: '{environment}{block}' } }", "3:20: backend.remote: `remote` runs Terraform elsewhere, so immtf can't judge what is applied; name a backend that only keeps states"),
        ("{ local: {} }", "3:19: backend.local: `path` is missing; `local: { path: … }`"),
        ("{ local: { path: 'a/{environment}' } }", "3:19: backend.local: all blocks would share one state; put `{block}` into `path`"),
        ("{ local: { path: 'a/{block}' } }", "3:19: backend.local: environments that tests make by this definition would share one state; put `{environment}` into `path`"),
        ("{ http: { address: 'https://x/{block}' } }", "3:18: backend.http: environments that tests make by this definition would share one state; put `{environment}` into `address`"),
        ("{ pg: { schema_name: '{environment}' } }", "3:16: backend.pg: all blocks would share one state; put `{block}` into the setting that names the state"),
        ("{ local: { path: '{environment}/{block}/{zone}' } }", "3:27: backend.local.path: `{zone}` is nothing that is filled in; only `{environment}` and `{block}` are filled in"),
        ("{ local: { path: '{environment}/{block}/${x}' } }", "3:27: backend.local.path: nothing is computed here; only `{environment}` and `{block}` are filled in"),
    ],
)  # fmt: skip
def test_mistakes_in_a_backend(tmp_path: Path, backend: str, told: str) -> None:
    assert told in mistakes(tmp_path, f"{HEAD}backend: {backend}\n")


@pytest.mark.parametrize(
    "backend",
    [
        "{ s3: { bucket: acme } }",
        "{ s3: { bucket: acme, some_later_setting: true } }",
        "{ s3: { bucket: 'acme-{block}', key: '{environment}' } }",
        "{ http: { address: 'https://x/{environment}-{block}', retry_max: 3 } }",
        "{ artifactory: { repo: '{environment}', subpath: '{block}' } }",
    ],
)
def test_backends_that_will_do(tmp_path: Path, backend: str) -> None:
    assert mistakes(tmp_path, f"{HEAD}backend: {backend}\n") == []


def test_a_secret_is_told_by_its_place_and_never_shown(tmp_path: Path) -> None:
    """F44."""
    text = """\
environment: staging
class: test
backend: { pg: { conn_str: "postgres://bob:hunter2@db/{block}", schema_name: "{environment}", assume: { secret_key: hunter2 } } }
variables: { url: "https://bob:hunter2@host", list: ["password=hunter2"], token: "https://bob:hunter2@host" }
blocks: { consul: { variables: { dsn: "password=hunter2" } } }
"""
    found = mistakes(tmp_path, text, {"consul": frozenset({"dsn"})})
    assert found == [
        "3:28: backend.pg.conn_str: looks like a URL with a password, and secrets don't belong in this file; give it by the environment variable of the backend",
        "3:117: backend.pg.assume.secret_key: secrets don't belong in this file; give it by the environment variable of the backend",
        "4:19: variables.url: looks like a URL with a password, and secrets don't belong in this file; take it out, and give it from outside: TF_VAR_url, or --var-file",
        "4:54: variables.list[0]: looks like a connection string with a password, and secrets don't belong in this file; take it out, and give it from outside: TF_VAR_list, or --var-file",
        "4:82: variables.token: looks like a URL with a password, and secrets don't belong in this file; take it out, and give it from outside: TF_VAR_token, or --var-file",
        "5:39: blocks.consul.variables.dsn: looks like a connection string with a password, and secrets don't belong in this file; take it out, and give it from outside: TF_VAR_dsn, or --var-file",
    ]
    assert "hunter2" not in "".join(found)


def test_a_secret_where_variables_would_be_is_told_too(tmp_path: Path) -> None:
    found = mistakes(tmp_path, HEAD + 'backend: { s3: { bucket: a } }\nvariables: "password=hunter2"\n')
    assert "4:12: variables: looks like a connection string with a password" in " ".join(found)


def test_one_production_environment_may_have_a_place_of_its_own(tmp_path: Path) -> None:
    text = "environment: live\nclass: production\nbackend: { local: { path: 'live/{block}' } }\n"
    assert mistakes(tmp_path, text, name="live") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: the file is empty; begin with `environment: NAME` and `class: test`"),
        ("environment: staging\nclass: produktion\nbackend: { s3: { bucket: a } }\n", "2:8: class: should be one of `test`, `production`, is the text `produktion`; did you mean `production`?"),
        ("environment: staging\nbackend: { s3: { bucket: a } }\n", "1:1: class: `class` is missing"),
        (HEAD + "backend: { s3: { bucket: a } }\nblocks: { consul: { variabels: {} } }\n", "4:21: blocks.consul.variabels: `variabels` is not known here; did you mean `variables`?"),
        (HEAD + "backend: { s3: { bucket: a } }\nblocks: { consul: 3 }\n", "4:19: blocks.consul: should be a mapping (`key: value`), is the number 3"),
        (HEAD + "backend: { s3: { bucket: a } }\nregion:\n", "4:1: region: nothing is written here; write a value, or leave the key out"),
    ],
)  # fmt: skip
def test_other_mistakes(tmp_path: Path, text: str, told: str) -> None:
    assert mistakes(tmp_path, text, {"consul": frozenset()}) == [told]


def test_a_name_that_tests_make_up_is_not_for_a_definition(tmp_path: Path) -> None:
    """F44: what bears such a name is thrown away."""
    text = "environment: t-0a1b2c3d\nclass: production\nbackend: { s3: { bucket: a } }\n"
    (told,) = mistakes(tmp_path, text, name="t-0a1b2c3d")
    assert "is a name as tests make them up" in told


def test_a_block_that_declares_nothing(tmp_path: Path) -> None:
    text = HEAD + "backend: { s3: { bucket: a } }\nblocks: { consul: { variables: { zz: 1 } } }\n"
    assert mistakes(tmp_path, text, {"consul": frozenset()}) == [
        "4:38: blocks.consul.variables.zz: block `consul` declares no variable `zz`; it declares none"
    ]


def test_a_file_that_can_t_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the file can't be read"):
        load_environment(tmp_path / "staging.yaml")


def test_the_schema_s_command_is_told(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").touch()
    with pytest.raises(ConfigInvalid) as caught:
        load_environment(tmp_path / "staging.yaml")
    assert "`immtf schema environment`" in caught.value.next


def test_the_schema_accepts_what_is_loaded_and_is_published() -> None:
    jsonschema: Any = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(environment_schema())
    whole = {
        "environment": "staging",
        "class": "test",
        "region": "eu-west-1",
        "backend": {"s3": {"bucket": "a"}},
        "blocks": {"b": {"variables": {"x": 1}}},
    }
    assert validator.is_valid(whole)
    for slip in ({"class": "prod"}, {"region": "here"}, {"blocks": {"b": {"x": 1}}}, {"backend": {"s3": "a"}}, {"name": "x"}):
        assert not validator.is_valid(whole | slip), slip
    assert json.loads(PUBLISHED.read_text()) == environment_schema()
