"""A root module that has nothing but a backend and its state's providers: by it everything in a state can be destroyed, without its block.

Terraform destroys an object that is in a state and in no configuration, as long as the configuration has the provider that the state names
for it. A provider inside a module can't be given from here: such a state needs its block. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.errors import PersonNeeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from immtf.model.environment import Backend

FILE = "immtf_reap.tf.json"
AWS = "aws"
_PROVIDER = re.compile(r'provider\["(?P<source>[^"]+)"\](?:\.(?P<alias>\w+))?')
_BUILT_IN = "terraform.io/builtin/"
_ARN = re.compile(r"arn:aws[\w-]*:\w+:(?P<region>[a-z]{2}-[a-z-]+-\d):")
_ACCOUNT = re.compile(r"arn:aws[\w-]*:[\w-]+:[\w-]*:(?P<account>\d{12}):")
_ELSEWHERE = frozenset({"TF_WORKSPACE", "TF_DATA_DIR"})  # they would lead to another state than the one that was read


@dataclass(frozen=True, order=True)
class Provider:
    """A provider as a state names it: where it comes from, and the alias of its block, "" for none."""

    source: str
    alias: str = ""

    @property
    def name(self) -> str:
        """Return its own name, by which a configuration calls it."""
        return self.source.rpartition("/")[2]


def providers_of(state: Mapping[str, Any]) -> tuple[Provider, ...]:
    """Return the providers of everything in a state. Raises `PersonNeeded` for one that is a module's own."""
    found = {provider for row in _managed(state) if (provider := _provider(row)) is not None}
    return tuple(sorted(found))


def bare_document(backend: Backend, state: Mapping[str, Any], aws: Mapping[str, Any]) -> dict[str, Any]:
    """Return the root module that destroys what is in a state. `aws` are the settings of the provider of that name, but for its region.

    Raises `PersonNeeded` where the state doesn't tell where its things are.
    """
    providers = providers_of(state)
    blocks: dict[str, list[dict[str, Any]]] = {}
    for provider in providers:
        settings = _aws_settings(state, provider, aws) if provider.name == AWS else {}
        blocks.setdefault(provider.name, []).append(settings | ({"alias": provider.alias} if provider.alias else {}))
    return {
        "terraform": {
            "backend": {backend.kind: dict(backend.config)},
            "required_providers": {provider.name: {"source": provider.source} for provider in providers},
        },
        **({"provider": blocks} if blocks else {}),
    }


def _aws_settings(state: Mapping[str, Any], provider: Provider, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a provider block, which lead to the region and the account that the state tells of, and nowhere else.

    Anywhere else all of it would look as if it were gone, and its state would be emptied. In a lab (`endpoints`) there is one account.
    """
    region, accounts = region_of(state, provider), accounts_of(state, provider)
    settings = dict(given) | ({"region": region} if region else {})
    if settings.get("endpoints"):
        return settings
    if not region or not accounts:
        raise PersonNeeded(
            f"the state doesn't tell of which {'account' if region else 'region'} its things are",
            where=str(provider.source),
            next="destroy it with its block: `immtf destroy BLOCK --environment NAME`",
        )
    return settings | {"allowed_account_ids": list(accounts)}


def region_of(state: Mapping[str, Any], provider: Provider) -> str:
    """Return the region of what a provider's block made, where the names of its things tell one and no other; else ""."""
    values = (attributes for row in _managed(state) if _provider(row) == provider for attributes in _attributes(row))
    found = {match["region"] for item in values if (match := _ARN.match(str(item.get("arn") or "")))}
    return found.pop() if len(found) == 1 else ""


def accounts_of(state: Mapping[str, Any], provider: Provider) -> tuple[str, ...]:
    """Return the accounts of what a provider's block made, as the names of its things tell.

    With credentials of another account all of it would look as if it were gone, and its state would be emptied.
    """
    values = (attributes for row in _managed(state) if _provider(row) == provider for attributes in _attributes(row))
    return tuple(sorted({match["account"] for item in values if (match := _ACCOUNT.match(str(item.get("arn") or "")))}))


def bare_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of Terraform in such a root: without what leads to another workspace, or to another root's work."""
    return {name: value for name, value in environment.items() if name not in _ELSEWHERE}


def requires_of(state: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the block that a state is of, and what it requires, as its own output `block` tells; "" and nothing otherwise."""
    told = ((state.get("outputs") or {}).get("block") or {}).get("value")
    if not isinstance(told, dict):
        return "", ()
    requires = told.get("requires")
    return str(told.get("name") or ""), tuple(sorted(map(str, requires))) if isinstance(requires, dict) else ()


def in_order(requires: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the blocks so that each goes before those it requires; what is in a circle, at the end. Other names don't count."""
    left = {name: {other for other in others if other in requires and other != name} for name, others in requires.items()}
    order: list[str] = []
    while left:
        needed = {other for others in left.values() for other in others}
        free = sorted(name for name in left if name not in needed) or sorted(left)
        order += free
        left = {name: others for name, others in left.items() if name not in free}
    return tuple(order)


def _managed(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (row for row in state.get("resources", ()) if isinstance(row, dict) and row.get("mode") == "managed")


def _attributes(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (item["attributes"] for item in row.get("instances", ()) if isinstance(item.get("attributes"), dict))


def _provider(row: Mapping[str, Any]) -> Provider | None:
    """Return a row's provider; None for the one that Terraform has built in."""
    text = str(row.get("provider") or "")
    match = _PROVIDER.fullmatch(text)
    if match is None:
        raise PersonNeeded(
            f"{row.get('type')}.{row.get('name')} is of a provider that only its block has: {text}",
            next="destroy it with its block: `immtf destroy DIR --environment NAME`",
        )
    return None if match["source"].startswith(_BUILT_IN) else Provider(match["source"], match["alias"] or "")
