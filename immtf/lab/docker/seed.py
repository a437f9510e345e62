"""The seed that cloud-init finds in a guest (NoCloud): who the instance is, who may log in, and its user data.

cloud-init runs user data once per instance id. An image that was made of an instance brings that instance's seed with it, so both files
are written for every instance, also where there is no user data. The metadata is JSON, which is YAML too: the guest's generator reads the
address out of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immtf.lab.runtime import InstanceSpec

FOLDER = "var/lib/cloud/seed/nocloud"


def host_name(address: str) -> str:
    """Give the name that EC2 gives an instance with this private address."""
    return "ip-" + address.replace(".", "-")


def files(spec: InstanceSpec) -> dict[str, bytes]:
    """Give the seed's files, by their paths below the guest's `/`; user data is handed on byte by byte, whatever it is."""
    meta = {
        "instance-id": spec.instance_id,
        "local-hostname": host_name(spec.address),
        "local-ipv4": spec.address,
        "availability-zone": spec.zone,
        "public-keys": [spec.public_key] if spec.public_key else [],
    }
    return {
        f"{FOLDER}/meta-data": (json.dumps(meta, indent=1) + "\n").encode(),
        f"{FOLDER}/user-data": spec.user_data,
    }
