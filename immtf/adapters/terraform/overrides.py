"""What a lab puts beside a configuration so that it runs there unedited: where the state is, and where the provider calls.

Terraform merges a file named `…_override.tf.json` into the blocks that are there already and refuses one for a provider block that
isn't there. So the settings go into the override for each of the user's `provider "aws"` blocks, aliases as well, and into
an ordinary file where the default block is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.hcl import provider_aliases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OVERRIDE = "immtf_override.tf.json"
ADDITION = "immtf_provider.tf.json"

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
    state: Path,
    region: str = "",
    max_retries: int = 5,
) -> dict[str, Any]:
    """Return the override for a lab: local state in the file `state`, the provider aws at `endpoint` with these credentials.

    `region` takes the place of the one in the default provider block; empty, the configuration's own (or AWS_REGION) holds.
    The option for S3's path style is left out, as its name differs between the provider's versions.
    """
    return {
        "terraform": {"backend": {"local": {"path": str(state)}}},
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


def generated_files(root_module: Path, override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files to write beside a configuration, by name: the override and, where one is needed, the addition."""
    documents: dict[str, dict[str, Any]] = {OVERRIDE: {key: value for key, value in override.items() if key != "provider"}}
    for provider, settings in (override.get("provider") or {}).items():
        aliases = provider_aliases(root_module, provider)
        blocks = [_aliased(settings, alias) if alias else dict(settings) for alias in aliases]
        if blocks:
            documents[OVERRIDE].setdefault("provider", {})[provider] = blocks
        if "" not in aliases:
            documents.setdefault(ADDITION, {"provider": {}})["provider"][provider] = dict(settings)
    return documents


def _aliased(settings: Mapping[str, Any], alias: str) -> dict[str, Any]:
    """Return the settings for an aliased block, which keeps the region it was made for."""
    return {**{name: value for name, value in settings.items() if name != "region"}, "alias": alias}
