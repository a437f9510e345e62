"""Whether the state is looked for at another place than the last time, in a root module whose backend an environment sets.

Terraform itself would ask what to do about that. A definition that was changed by mistake leads to a state that isn't there, and everything
would be made a second time: so it is told, with both places.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from immtf.model.environment import Backend
from immtf.plan.environments import identity, named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def recorded(root: Path, environment: Mapping[str, str]) -> Backend | None:
    """Return the backend that `init` wrote down in a root module; None where there is none, or it can't be read."""
    path = root / environment.get("TF_DATA_DIR", ".terraform") / "terraform.tfstate"
    try:
        backend = json.loads(path.read_bytes())["backend"]
        return Backend(str(backend["type"]), {name: value for name, value in backend["config"].items() if value is not None})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def moved(before: Backend | None, now: Backend | None) -> str:
    """Tell that the state is looked for elsewhere than before; "" where it isn't, or nobody knows where it was."""
    if before is None or now is None or identity(before) == identity(now):
        return ""
    return f"the state is at another place than the last time: it was {named(before)}, it is {named(now)}; nothing was moved there"
