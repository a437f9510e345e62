"""Key pairs: the backend makes and keeps them; an instance is given the public half of its own, as it was when the instance was made."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from immtf.lab.gateway.wire import Refusal, text

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud

_SSH2 = "---- BEGIN SSH2 PUBLIC KEY"


def public_key(cloud: Cloud, region: str, name: str) -> str:
    """Give the public half of a key pair in OpenSSH's form; no name, no key. Unknown: `Refusal` with InvalidKeyPair.NotFound."""
    if not name:
        return ""
    root = cloud.backend.tree(region, "DescribeKeyPairs", {"KeyName.1": name, "IncludePublicKey": "true"})
    key = text(root, "keySet/item/publicKey")
    if not key:
        raise Refusal("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return _of_ssh2(key) if key.startswith(_SSH2) else key


def _of_ssh2(key: str) -> str:
    """Write a key in the form of RFC 4716 as OpenSSH does: the kind stands in the key itself, after its length."""
    lines = [line.strip() for line in key.splitlines()]
    body = "".join(line for line in lines if line and ":" not in line and not line.startswith("----"))
    blob = base64.b64decode(body)
    kind = blob[4 : 4 + int.from_bytes(blob[:4])].decode()
    return f"{kind} {body}"
