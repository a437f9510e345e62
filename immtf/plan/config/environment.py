"""The file of an environment, `environments/NAME.yaml`: its shape, its checks, and the way in.

```yaml
environment: staging
class: test
region: eu-west-1
backend: { s3: { bucket: acme-states, prefix: immtf } }
variables: { size: small }
blocks: { consul: { variables: { nodes: [a, b, c] } } }
```
It is read as a block's file is: every mistake at once, with its place.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.json_schema import GenerateJsonSchema

from immtf.model.environment import Backend, Environment
from immtf.plan.config.fields import Maybe, Name, Region, Variable, wrong
from immtf.plan.config.gates import Closed
from immtf.plan.config.load import Form, read_checked
from immtf.plan.config.schema import tidy
from immtf.plan.config.secrets import SECRET_KEYS, secret_keys, secret_values
from immtf.plan.environments import BLOCK, ENVIRONMENT, PLACEHOLDER, tells_apart, texts, with_defaults
from immtf.plan.sweep import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from immtf.plan.config.checks import Remark

SUFFIX = ".yaml"

_S3 = (
    *("bucket", "prefix", "key", "region", "use_lockfile", "dynamodb_table", "encrypt", "kms_key_id", "acl", "profile"),
    *("assume_role", "assume_role_with_web_identity", "endpoints", "use_path_style", "max_retries", "retry_mode"),
    *("shared_config_files", "shared_credentials_files", "workspace_key_prefix", "skip_credentials_validation"),
    *("skip_metadata_api_check", "skip_region_validation", "skip_requesting_account_id", "skip_s3_checksum"),
)
_NEEDED = {"s3": "bucket", "local": "path", "http": "address"}
# Terraform's, with those that it gave up in 1.3.
_KINDS = (
    *("s3", "local", "http", "azurerm", "consul", "cos", "gcs", "inmem", "kubernetes", "oci", "oss", "pg"),
    *("artifactory", "etcd", "etcdv3", "manta", "swift"),
)
_FROM_OUTSIDE = "give it by the environment variable of the backend"
_NO_BACKEND = frozenset({"remote", "cloud"})


def _one_kind(backend: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if len(backend) != 1:
        raise wrong("a backend is one kind with its settings", "`backend: { s3: { bucket: NAME } }` for a start")
    return backend


class BlockThere(Closed):
    """What holds for one block in this environment."""

    variables: dict[Variable, Any] = Field(default={})
    """Terraform variables of this block, which go before those of all; it has to declare them."""


class EnvironmentFile(Closed):
    """An environment: where blocks are deployed together, where their states are, and with which variables they run."""

    environment: Name
    """The environment's name, which is the file's too."""
    kind: Annotated[Literal["test", "production"], Field(alias="class")]
    """test: it may be thrown away, and tests make environments of their own by it. production: no test touches it."""
    region: Maybe[Region] = None
    """AWS region; leave it out to take what each block's configuration or AWS_REGION says."""
    backend: Annotated[dict[str, dict[str, Any]], AfterValidator(_one_kind)]
    """Where the states are: one of Terraform's backends with its settings; `{environment}` and `{block}` are filled in."""
    variables: dict[Variable, Any] = Field(default={})
    """Terraform variables for every block that declares them."""
    blocks: dict[Name, BlockThere] = Field(default={})
    """What holds for single blocks, by name."""


def environment_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of an environment's file."""
    made: dict[str, Any] = tidy(EnvironmentFile.model_json_schema(by_alias=True))
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "environment"} | made


def load_environment(file: Path, declared: Mapping[str, frozenset[str]] | None = None) -> Environment:
    """Read the environment that is defined in a file. `declared` are the variables of the blocks that are looked at, by name.

    Raises `UsageError` where there is no such file, `ConfigInvalid` with every mistake that is in it.
    """
    there = file.parent.resolve() / file.name
    content = read_checked(there, replace(_FORM, checks=lambda data, path: _checks(data, path, declared or {})))
    kind, settings = next(iter(content.backend.items()))
    if kind == "local":
        settings = settings | {"path": str(there.parent / settings["path"])}
    return Environment(
        name=content.environment,
        kind=content.kind,
        file=there,
        region=content.region or "",
        backend=with_defaults(Backend(kind, settings), content.region or ""),
        variables=dict(content.variables),
        blocks={name: dict(block.variables) for name, block in content.blocks.items()},
    )


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    match path:
        case ():
            return [field.alias or name for name, field in EnvironmentFile.model_fields.items()]
        case ("blocks", _):
            return list(BlockThere.model_fields)
        case _:
            return []


def _checks(data: dict[str, Any], file: Path, declared: Mapping[str, frozenset[str]]) -> Iterator[Remark]:
    name = data.get("environment")
    if isinstance(name, str) and name != file.stem:
        yield ("environment",), f"the file of `{name}` is {name}{SUFFIX}, and this is {file.name}", "rename one of the two"
    if isinstance(name, str) and GENERATED.fullmatch(name):
        yield ("environment",), f"`{name}` is a name as tests make them up, and what bears such a one is thrown away", "take another"
    yield from _variables(data, declared)
    for where, what in secret_values({key: data.get(key) for key in ("variables", "blocks")}):
        name = where[where.index("variables") + 1] if "variables" in where[:-1] else "NAME"
        way = f"take it out, and give it from outside: TF_VAR_{name}, or --var-file"
        yield where, f"looks like {what}, and secrets don't belong in this file", way
    backend = data.get("backend")
    if not isinstance(backend, dict) or len(backend) != 1:
        return
    kind, settings = next(iter(backend.items()))
    if isinstance(settings, dict):
        yield from _backend(kind, settings)
        yield from _shared(kind, settings, str(data.get("class")))


def _variables(data: dict[str, Any], declared: Mapping[str, frozenset[str]]) -> Iterator[Remark]:
    """See that a block declares what is given to it alone."""
    blocks = data.get("blocks")
    for block, known in declared.items():
        entry = blocks.get(block) if isinstance(blocks, dict) else None
        given = entry.get("variables") if isinstance(entry, dict) else None
        for variable in given if isinstance(given, dict) else ():
            if variable not in known:
                near = get_close_matches(variable, sorted(known), n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"it declares {', '.join(sorted(known)) or 'none'}"
                yield ("blocks", block, "variables", variable), f"block `{block}` declares no variable `{variable}`", hint


def _backend(kind: str, settings: dict[str, Any]) -> Iterator[Remark]:
    path = ("backend", kind)
    if kind in _NO_BACKEND:
        yield path, f"`{kind}` runs Terraform elsewhere, so immtf can't judge what is applied", "name a backend that only keeps states"
    elif kind not in _KINDS:
        near = get_close_matches(kind.lower(), _KINDS, n=1)
        yield path, f"`{kind}` is no backend", f"did you mean `{near[0]}`?" if near else f"Terraform's are {', '.join(sorted(_KINDS))}"
    needed = _NEEDED.get(kind)
    if needed and not (isinstance(settings.get(needed), str) and settings[needed].strip()):
        yield path, f"`{needed}` is missing", f"`{kind}: {{ {needed}: … }}`"
    if kind == "s3":
        yield from _s3(settings)
    for where in secret_keys(settings):
        yield (*path, *where), "secrets don't belong in this file", _FROM_OUTSIDE
    for where, what in secret_values(settings):
        if not SECRET_KEYS.intersection(map(str, where)):  # else it is told already
            yield (*path, *where), f"looks like {what}, and secrets don't belong in this file", _FROM_OUTSIDE
    yield from _placeholders(path, settings)


def _s3(settings: dict[str, Any]) -> Iterator[Remark]:
    """See that no setting is misspelt. One that resembles none may be of a later Terraform, which then judges it."""
    for key in settings:
        near = get_close_matches(key, _S3, n=1, cutoff=0.8) if key not in {*_S3, *SECRET_KEYS} else []
        if near:
            yield ("backend", "s3", key), f"`{key}` is not known here", f"did you mean `{near[0]}`?"
    if "key" in settings and "prefix" in settings:
        what = "`prefix` is the beginning of the key that immtf makes, and `key` is given"
        yield ("backend", "s3", "prefix"), what, "leave one of the two out"
    if "prefix" in settings and not isinstance(settings["prefix"], str):
        yield ("backend", "s3", "prefix"), "`prefix` should be text", ""


def _placeholders(path: tuple[str, ...], settings: dict[str, Any]) -> Iterator[Remark]:
    for where, text in texts(settings):
        if "${" in text or "%{" in text:
            yield (*path, *where), "nothing is computed here", f"only `{ENVIRONMENT}` and `{BLOCK}` are filled in"
            continue
        for found in PLACEHOLDER.finditer(text):
            if found[0] not in {ENVIRONMENT, BLOCK}:
                near = get_close_matches(found[1], ["environment", "block"], n=1)
                hint = f"did you mean `{{{near[0]}}}`?" if near else f"only `{ENVIRONMENT}` and `{BLOCK}` are filled in"
                yield (*path, *where), f"`{found[0]}` is nothing that is filled in", hint


def _shared(kind: str, settings: dict[str, Any], environment_class: str) -> Iterator[Remark]:
    """See that no two blocks share a state, and no two environments that are made by this definition."""
    path = ("backend", kind)
    template = with_defaults(Backend(kind, settings), "")
    if not tells_apart(template, blocks=True):
        yield path, "all blocks would share one state", f"put `{BLOCK}` into {_naming(kind)}"
    if environment_class == "test" and not tells_apart(template, blocks=False):
        what = "environments that tests make by this definition would share one state"
        yield path, what, f"put `{ENVIRONMENT}` into {_naming(kind)}"


def _naming(kind: str) -> str:
    return {"s3": "`key` or `bucket`", "local": "`path`", "http": "`address`"}.get(kind, "the setting that names the state")


_FORM = Form(
    EnvironmentFile,
    lambda data, file: _checks(data, file, {}),
    _keys_at,
    "begin with `environment: NAME` and `class: test`",
    "immtf schema environment",
)
