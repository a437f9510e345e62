"""A state that is kept in S3, as it stands there: the only way to know who wrote it.

Terraform puts its own version into whatever it tells of a state that is kept elsewhere (`state pull` and `show` both do), so it can't be
asked. Of backends other than S3 nothing is known here; Terraform itself refuses a newer file format on all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.adapters.lease.backend import read_backend
from immtf.adapters.lease.store import s3_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.adapters.aws import Aws

TIMEOUT_S = 20.0


def stored_state(root: Path, environment: Mapping[str, str], aws: Aws) -> str:
    """Return the text of an initialised root module's state in S3; "" where it is kept elsewhere or there is none yet.

    Raises `ImmtfError` where it can't be read.
    """
    place = read_backend(root, environment).s3
    if place is None:
        return ""
    seen = s3_store(place, place.key, aws, environment, timeout_s=TIMEOUT_S).read()
    return seen.body if seen else ""
