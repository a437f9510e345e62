"""Where the state of a block in an environment is: a definition's backend is a template, filled in for each block. Pure.

Two blocks, or two environments, must never share a state: the second one's apply would delete what the first one made. So a template has
to name the block, and the environment wherever others may use it; where two definitions come out alike, they are refused.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from immtf.model.environment import Backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from immtf.model.environment import Environment

ENVIRONMENT, BLOCK = "{environment}", "{block}"
FILE = "terraform.tfstate"
KEY = f"{ENVIRONMENT}/{BLOCK}/{FILE}"
PLACEHOLDER = re.compile(r"\{(\w*)\}")
SAMPLES = ("one", "other")  # names of blocks and environments, to see whether a template tells them apart

# Which settings name the state; the others are about how it is reached. Of a kind that isn't here, every setting may.
_NAMING = {
    "s3": frozenset({"bucket", "key", "endpoint", "endpoints"}),
    "local": frozenset({"path"}),
    "http": frozenset({"address"}),
    "gcs": frozenset({"bucket", "prefix"}),
}
_SKIP = (
    "skip_credentials_validation",
    "skip_metadata_api_check",
    "skip_region_validation",
    "skip_requesting_account_id",
    "skip_s3_checksum",
)


def with_defaults(backend: Backend, region: str) -> Backend:
    """Return a definition's backend as Terraform knows its settings: in S3 with a key, a region, and the lock beside the state."""
    if backend.kind != "s3":
        return backend
    config = {name: value for name, value in backend.config.items() if name != "prefix"}
    prefix = str(backend.config.get("prefix") or "").strip("/")
    own = {"key": f"{prefix}/{KEY}" if prefix else KEY, "use_lockfile": True, **({"region": region} if region else {})}
    return Backend("s3", {**own, **config})


def filled(backend: Backend, environment: str, block: str) -> Backend:
    """Return the backend with the placeholders filled in, in every text of it."""
    return Backend(backend.kind, {name: _filled(value, {ENVIRONMENT: environment, BLOCK: block}) for name, value in backend.config.items()})


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    match value:
        case str():
            for placeholder, name in names.items():
                value = value.replace(placeholder, name)
            return value
        case dict():
            return {key: _filled(item, names) for key, item in value.items()}
        case list():
            return [_filled(item, names) for item in value]
        case _:
            return value


def identity(backend: Backend) -> tuple[str, object]:
    """Return what tells one state from another: equal for two backends that lead to the same state, as far as their settings tell."""
    naming = _NAMING.get(backend.kind, backend.config)
    return backend.kind, repr(sorted((name, value) for name, value in backend.config.items() if name in naming))


def named(backend: Backend) -> str:
    """Name a state as people do."""
    naming = _NAMING.get(backend.kind, frozenset())
    settings = ", ".join(f"{name} {value}" for name, value in sorted(backend.config.items()) if name in naming and isinstance(value, str))
    return f"{backend.kind} ({settings})" if settings else backend.kind


def tells_apart(backend: Backend, *, blocks: bool) -> bool:
    """Return whether two blocks (else: two environments) have states of their own by this template."""
    one, other = SAMPLES
    pair = (filled(backend, one, one), filled(backend, *((one, other) if blocks else (other, one))))
    return identity(pair[0]) != identity(pair[1])


def shared_with(environment: Environment, others: Iterable[Environment]) -> Environment | None:
    """Return another environment whose blocks would have the same states as this one's; None where there is none."""
    mine = identity(filled(environment.backend, environment.name, SAMPLES[0]))
    return next(
        (
            other
            for other in others
            if other.name != environment.name and identity(filled(other.backend, other.name, SAMPLES[0])) == mine
        ),
        None,
    )  # fmt: skip


def variables_of(environment: Environment, block: str) -> dict[str, Any]:
    """Return the variables of a block there: those of all, then its own."""
    return {**environment.variables, **environment.blocks.get(block, {})}


def as_test(environment: Environment, name: str) -> Environment:
    """Return the environment of a test that is made by a definition, under a name of its own."""
    return replace(environment, name=name, kind="test")


def in_lab(backend: Backend, *, endpoint: str, region: str) -> Backend | None:
    """Return a template's backend in a lab: its bucket and key in the lab's S3. None where it isn't in S3: the lab keeps a file then.

    Nothing else of it is taken along: roles, keys and endpoints lead to a real account, and a path or an address to real states.
    """
    if backend.kind != "s3":
        return None
    config = {name: backend.config[name] for name in ("bucket", "key")}
    return Backend(
        "s3",
        {
            **config,
            "region": region,
            "endpoints": {"s3": endpoint},
            "use_path_style": True,
            "use_lockfile": True,
            **dict.fromkeys(_SKIP, True),
        },
    )


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Give each text in a value, with the path to it."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from texts(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from texts(item, (*path, index))
        case _:
            return
