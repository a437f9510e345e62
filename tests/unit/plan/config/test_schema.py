from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.block import CommandGate, ConsulGate, EtcdGate, HttpGate, MountedGate, TcpGate, TestinfraGate
from immtf.plan.config import ConfigInvalid, json_schema, load_block
from immtf.plan.config.build import build_gate
from immtf.plan.config.gates import KINDS
from immtf.plan.config.schema import BlockFile, keys_at

PUBLISHED = Path(__file__).parents[4] / "docs" / "immtf.schema.json"
jsonschema = pytest.importorskip("jsonschema")


def nodes(schema: Any) -> list[dict[str, Any]]:
    """Return every mapping in a schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return [*([schema] if isinstance(schema, dict) else []), *[found for value in inner for found in nodes(value)]]


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def accepted(content: Any) -> bool:
    return bool(VALIDATOR.is_valid(content))


def test_the_published_schema_is_the_one_in_force() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()


def test_the_schema_is_valid_closed_and_described() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    for node in nodes(json_schema()):
        if node.get("type") == "object":
            assert "additionalProperties" in node
        for described in node.get("properties", {}).values() if node.get("type") == "object" else []:
            assert described.get("description") or "$ref" in described


def test_the_file_of_the_design_is_accepted_and_slips_are_not() -> None:
    gates: list[Any] = ["mounted", {"consul": {"expect": 3}}]
    server = {"nodes": "module.server", "volumes": {"data": {"mount": "/var/lib/consul"}}, "gates": gates}
    content: dict[str, Any] = {"block": "consul", "version": "1.1.0", "requires": {"base": "~> 2.0"}, "clusters": {"server": server}}
    assert accepted(content)
    for slip in (
        {"blok": "x"},
        {"version": 1.1},
        {"requires": {"Ba se": "1"}},
        {"image": None},
        {"clusters": {"server": server | {"gates": []}}},
        {"clusters": {"server": server | {"gates": ["http"]}}},
        {"clusters": {"server": server | {"gates": [{"consul": {}, "tcp": {"port": 1}}]}}},
        {"clusters": {"server": server | {"nodes": 'module.server["a"]'}}},
    ):
        assert not accepted(content | slip)


NAMES = st.sampled_from(["a", "consul", "a-b_c", "x1", "A", ""])
TIMES = st.sampled_from(["1s", "500ms", "1m30s", "1.5h", "90", "0s"])
PACE = {"passes": st.integers(0, 5), "interval": TIMES, "deadline": TIMES, "timeout": TIMES, "healthy_for": TIMES, "name": NAMES}
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "mounted": st.fixed_dictionaries({}, optional=PACE),
    "consul": st.fixed_dictionaries(
        {},
        optional=PACE
        | {
            "expect": st.integers(0, 5) | st.none(),
            "port": st.integers(0, 70000),
            "scheme": st.sampled_from(["http", "https", "HTTP"]),
            "token_env": st.sampled_from(["TOKEN", "a-b"]),
            "max_lag": st.integers(-1, 3),
        },
    ),
    "http": st.fixed_dictionaries(
        {"url": st.sampled_from(["http://{address}/", "HTTPS://{address}:1/{node}", "x"])},
        optional=PACE | {"status": st.integers(99, 600), "contains": st.text(max_size=3)},
    ),
    "tcp": st.fixed_dictionaries({"port": st.integers(1, 65535)}, optional=PACE),
    "command": st.fixed_dictionaries({"run": st.sampled_from(["true", "a\nb", " "])}, optional=PACE),
    "testinfra": st.fixed_dictionaries(
        {"tests": st.sampled_from(["tests", "main.tf", " "])},
        optional=PACE
        | {
            "connection": st.sampled_from(["ssm", "ssh", "docker", "telnet"]),
            "user": st.sampled_from(["admin", "-o x"]),
            "container": st.sampled_from(["node-{node}", "{x}", "-it"]),
        },
    ),
}
ENTRIES = st.one_of(st.sampled_from([*KINDS]), *[st.fixed_dictionaries({kind: settings}) for kind, settings in SETTINGS.items()])
CLUSTERS = st.fixed_dictionaries(
    {
        "nodes": st.sampled_from(["module.a", "aws_instance.b", 'module.x["y"].module.c', "module.d[0]"]),
        "gates": st.lists(ENTRIES, max_size=2),
    },
    optional={
        "strategy": st.sampled_from(["replace", "swap"]),
        "max_unavailable": st.integers(0, 2),
        "volumes": st.dictionaries(
            NAMES,
            st.fixed_dictionaries(
                {"mount": st.sampled_from(["/a", "//b", "/c/", "/", "/d e", "/f\\g"])},
                optional={"snapshot": st.sampled_from([{"keep": 1}, {"keep": 0}, {}, True, None])},
            ),
            max_size=2,
        ),
    },
)
VERSIONS = st.sampled_from(["1.1.0", " 1.0", "v2", "1.0.0-rc1", "x"])
CONSTRAINTS = st.sampled_from(["~> 1.2, != 1.2.3", "1", ">=1", " = v1", "^1"])
OUTPUTS = st.sampled_from(["string", "list", "x", {}, {"type": "map", "mock": {}}, {"variable": "v"}, {"mock": None}, {"mock": 1}])
REQUIREMENTS = st.fixed_dictionaries(
    {"version": CONSTRAINTS}, optional={"outputs": st.dictionaries(st.sampled_from(["id", "a-b", "a b"]), OUTPUTS, max_size=2)}
)
FILES = st.fixed_dictionaries(
    {"block": NAMES, "version": VERSIONS},
    optional={
        "requires": st.dictionaries(NAMES, CONSTRAINTS | REQUIREMENTS, max_size=1),
        "image": st.fixed_dictionaries({"variable": st.just("i"), "family": NAMES}, optional={"version": CONSTRAINTS}),
        "clusters": st.dictionaries(NAMES, CLUSTERS, max_size=2),
        "on_failure": st.sampled_from(["halt", "rollback-node"]),
        "lab": st.just({"images": "x", "network": "n"}),
    },
)


@given(FILES)
def test_the_schema_accepts_all_that_is_loaded(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    directory = tmp_path_factory.getbasetemp() / "accepted"
    directory.mkdir(exist_ok=True)
    (directory / "main.tf").touch()
    (directory / "immtf.yaml").write_text(json.dumps(content), encoding="utf-8")
    with suppress(ConfigInvalid):
        load_block(directory)
        assert accepted(content)


@pytest.mark.parametrize(
    ("kind", "settings", "gate"),
    [
        ("mounted", {}, MountedGate()),
        ("consul", {}, ConsulGate()),
        ("etcd", {}, EtcdGate()),
        ("etcd", {"expect": 5, "scheme": "https", "user_env": "MINE"}, EtcdGate(expect=5, scheme="https", user_env="MINE")),
        ("http", {"url": "http://{address}"}, HttpGate(url="http://{address}")),
        ("tcp", {"port": 1}, TcpGate(port=1)),
        ("command", {"run": "true"}, CommandGate(run="true")),
        ("testinfra", {"tests": "tests"}, TestinfraGate(tests=Path("/blocks/x/tests"))),
    ],
)
def test_the_files_defaults_are_the_models(kind: str, settings: dict[str, Any], gate: Any) -> None:
    assert build_gate(kind, KINDS[kind].model_validate(settings), Path("/blocks/x")) == gate


def test_every_mapping_of_the_file_knows_its_keys() -> None:
    assert keys_at(()) == list(BlockFile.model_fields)
    assert keys_at(("clusters", "x", "volumes", "y")) == ["mount", "snapshot"]
    assert keys_at(("clusters", "x", "volumes", "y", "snapshot")) == ["keep"]
    assert keys_at(("lab",)) == ["images", "network"]
    assert keys_at(("restore",)) == ["run", "snapshot", "variable", "timeout"]
    assert "expect" in keys_at(("clusters", "x", "gates", 0, "consul"))
    assert keys_at(("requires", "x")) == ["version", "outputs"]
    assert keys_at(("requires", "x", "outputs", "y")) == ["type", "variable", "mock"]
    assert keys_at(("requires",)) == keys_at(("clusters",)) == keys_at(("clusters", "x", "gates", 0)) == []
