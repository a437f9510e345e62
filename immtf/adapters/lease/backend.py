"""Where the state is, as `terraform init` wrote it down: flags and files of the backend's configuration are in it already.

Only what the lease needs is read: which object the state is, and how to speak to the bucket. Pure but for reading two small files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".immtf-lease"
LOCK_SUFFIX = ".tflock"
_ROLE = {"session_name": "RoleSessionName", "external_id": "ExternalId", "policy": "Policy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """An object in S3 and how to speak to it; what is "" is left to AWS's usual chain. `arguments` go with every write.

    `role` are the arguments of AssumeRole, {} where none is assumed.
    """

    bucket: str
    key: str
    region: str = ""
    endpoint: str = ""
    sts_endpoint: str = ""
    path_style: bool = False
    profile: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    role: Mapping[str, str] = field(default_factory=dict, repr=False)
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def lease(self) -> str:
        """The key of the lease's object."""
        return self.key + SUFFIX

    @property
    def lock(self) -> str:
        """The key of the object by which Terraform itself locks the state (`use_lockfile`)."""
        return self.key + LOCK_SUFFIX


@dataclass(frozen=True, slots=True)
class Backend:
    """The kind of a backend in Terraform's word, and where the state is if that is S3."""

    kind: str
    s3: S3Place | None = None


def read_backend(root: Path, environment: Mapping[str, str]) -> Backend:
    """Return the backend of an initialised root module. Raises `ImmtfError` where its record can't be read."""
    data = root / environment.get("TF_DATA_DIR", ".terraform")
    record = data / "terraform.tfstate"
    try:
        backend = json.loads(record.read_bytes()).get("backend") or {"type": "local"}
        kind, config = str(backend["type"]), dict(backend.get("config") or {})
        s3 = _s3(config, _workspace(data, environment), environment) if kind == "s3" else None
    except FileNotFoundError:
        return Backend("local")
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ImmtfError(
            f"the backend's record can't be read: {error}", where=str(record), next="run `terraform init` in the root module"
        ) from error
    return Backend(kind, s3)


def s3_place(config: Mapping[str, Any], environment: Mapping[str, str]) -> S3Place:
    """Return the place that settings of Terraform's S3 backend lead to, in the default workspace."""
    return _s3(config, "default", environment)


def _workspace(data: Path, environment: Mapping[str, str]) -> str:
    file = data / "environment"
    return environment.get("TF_WORKSPACE") or (file.read_text().strip() if file.is_file() else "") or "default"


def _s3(config: Mapping[str, Any], workspace: str, environment: Mapping[str, str]) -> S3Place:
    """Read the configuration of Terraform's S3 backend, older names too; a workspace other than the default has a prefix."""
    text = {name: value for name, value in config.items() if isinstance(value, str)}
    endpoints = _first(config.get("endpoints"))
    key = config["key"] if workspace == "default" else f"{text.get('workspace_key_prefix') or 'env:'}/{workspace}/{config['key']}"
    return S3Place(
        bucket=str(config["bucket"]),
        key=key,
        region=text.get("region", ""),
        endpoint=_endpoint(endpoints.get("s3"), text.get("endpoint"), environment, ("AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT")),
        sts_endpoint=_endpoint(endpoints.get("sts"), text.get("sts_endpoint"), environment, ("AWS_ENDPOINT_URL_STS", "AWS_STS_ENDPOINT")),
        path_style=bool(config.get("use_path_style") or config.get("force_path_style")),
        profile=text.get("profile", ""),
        access_key=text.get("access_key", ""),
        secret_key=text.get("secret_key", ""),
        token=text.get("token", ""),
        role=_role(config),
        arguments=_arguments(config),
    )


def _endpoint(own: object, old: object, environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return str(own or old or next((environment[name] for name in names if environment.get(name)), ""))


def _role(config: Mapping[str, Any]) -> dict[str, str]:
    """Return AssumeRole's arguments, from the block `assume_role` or from the older settings beside it."""
    block = _first(config.get("assume_role")) or {name: config.get(name) for name in ("role_arn", "session_name", "external_id")}
    arn = block.get("role_arn")
    if not arn:
        return {}
    return {"RoleArn": str(arn), **{theirs: str(block[ours]) for ours, theirs in _ROLE.items() if block.get(ours)}}


def _arguments(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what a bucket's policy may demand of every write, as the state itself is written."""
    if config.get("kms_key_id"):
        found = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": str(config["kms_key_id"])}
    else:
        found = {"ServerSideEncryption": "AES256"} if config.get("encrypt") else {}
    return found | ({"ACL": str(config["acl"])} if config.get("acl") else {})


def _first(block: Any) -> Mapping[str, Any]:
    """Return a nested block, which is an object or a list with one, without what is null."""
    found = block[0] if isinstance(block, list) and block else block
    return {name: value for name, value in found.items() if value is not None} if isinstance(found, dict) else {}
