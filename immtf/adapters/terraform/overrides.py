"""What an environment puts beside a configuration so that it runs there unedited: where the state is, where the provider calls, which tags.

Terraform merges a file named `…_override.tf.json` into the blocks that are there already and refuses one for a provider block that
isn't there. So the settings go into the override for each of the user's `provider "aws"` blocks, aliases as well, and into
an ordinary file where the default block is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.default_tags import merged_tags
from immtf.adapters.terraform.hcl import mentioned, provider_aliases, uses_provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.model.environment import Backend

OVERRIDE = "immtf_override.tf.json"
ADDITION = "immtf_provider.tf.json"
TAGS = "default_tags"

# Names that every version of the provider from 3.39 on knows. Those of later versions take AWS_ENDPOINT_URL from the environment for
# all other services.
_SERVICES = (
    "autoscaling",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "elb",
    "iam",
    "kms",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
)

# A lab has neither the user's profiles nor an account that any list names: null takes them out of the user's block.
_FOR_THE_REAL_ACCOUNT = ("profile", "allowed_account_ids", "forbidden_account_ids")


def lab_override(
    *,
    endpoint: str,
    access_key: str,
    secret_key: str,
    backend: Backend,
    region: str = "",
    max_retries: int = 5,
) -> dict[str, Any]:
    """Return the override for a lab: the state where `backend` says, the provider aws at `endpoint` with these credentials.

    `region` takes the place of the one in the default provider block; empty, the configuration's own (or AWS_REGION) holds.
    The option for S3's path style is left out, as its name differs between the provider's versions.
    """
    return {
        **_backend(backend),
        "provider": {
            "aws": {
                **({"region": region} if region else {}),
                "access_key": access_key,
                "secret_key": secret_key,
                **dict.fromkeys(_FOR_THE_REAL_ACCOUNT),
                "max_retries": max_retries,
                "skip_credentials_validation": True,
                "skip_metadata_api_check": True,
                "skip_region_validation": True,
                "skip_requesting_account_id": True,
                "endpoints": [dict.fromkeys(_SERVICES, endpoint)],
            }
        },
    }


def environment_override(backend: Backend, *, region: str = "") -> dict[str, Any]:
    """Return the override for an environment on AWS: the state where `backend` says, the default provider block in `region`."""
    return {**_backend(backend), **({"provider": {"aws": {"region": region}}} if region else {})}


def with_tags(override: Mapping[str, Any], tags: Mapping[str, str], root_module: Path) -> dict[str, Any]:
    """Return the override with these tags on everything that the provider aws makes, in each of its blocks.

    A tag whose key the configuration names is left to it: where a resource has a tag of its own which is among the default ones too,
    older versions of the provider (3.39 is one) want to set it again in every plan.
    """
    own = mentioned(root_module, tags)
    left = {key: value for key, value in tags.items() if key not in own}
    if not left:
        return dict(override)
    providers = override.get("provider") or {}
    return {**override, "provider": {**providers, "aws": {**providers.get("aws", {}), TAGS: left}}}


def untagged(root_module: Path, override: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the aliases of the provider blocks ("" for none) whose own `default_tags` can't be read: they stay, without the tags."""
    tags = ((override.get("provider") or {}).get("aws") or {}).get(TAGS)
    if not tags:
        return ()
    return tuple(alias for alias in provider_aliases(root_module, "aws") if merged_tags(root_module, "aws", alias, tags) is None)


def _backend(backend: Backend) -> dict[str, Any]:
    return {"terraform": {"backend": {backend.kind: dict(backend.config)}}}


def generated_files(root_module: Path, override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files to write beside a configuration, by name: the override and, where one is needed, the addition."""
    documents: dict[str, dict[str, Any]] = {OVERRIDE: {key: value for key, value in override.items() if key != "provider"}}
    for provider, settings in (override.get("provider") or {}).items():
        aliases = provider_aliases(root_module, provider)
        blocks = [_tagged(_aliased(settings, alias), root_module, provider, alias) for alias in aliases]
        if blocks:
            documents[OVERRIDE].setdefault("provider", {})[provider] = blocks
        if "" not in aliases and _wanted(settings, root_module, provider):
            documents.setdefault(ADDITION, {"provider": {}})["provider"][provider] = _tagged(settings, root_module, provider, "")
    return documents


def _wanted(settings: Mapping[str, Any], root_module: Path, provider: str) -> bool:
    """Return whether a block has to be added: where calls go elsewhere, and for tags where the provider is used; a region needs none.

    AWS_REGION tells the region already, and a provider that nothing uses would have to be fetched.
    """
    return "endpoints" in settings or (TAGS in settings and uses_provider(root_module, provider))


def _tagged(settings: Mapping[str, Any], root_module: Path, provider: str, alias: str) -> dict[str, Any]:
    """Return the settings with the tags merged into those that the user's block has; without them where these can't be read."""
    tags = settings.get(TAGS)
    merged = merged_tags(root_module, provider, alias, tags) if tags else None
    return {**{name: value for name, value in settings.items() if name != TAGS}, **({TAGS: merged} if merged else {})}


def _aliased(settings: Mapping[str, Any], alias: str) -> dict[str, Any]:
    """Return the settings for a block; an aliased one keeps the region it was made for."""
    if not alias:
        return dict(settings)
    return {**{name: value for name, value in settings.items() if name != "region"}, "alias": alias}
