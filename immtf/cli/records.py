"""The record of an environment in immtf's home, `environments/<name>/environment.json`: its class, and the definition it was made by."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECORD = "environment.json"


def record_environment(directory: Path, record: Mapping[str, Any]) -> None:
    """Write down what an environment is, before anything is made in it; what stands there of other things stays."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / RECORD
    draft = path.with_name(f".{RECORD}.{os.getpid()}")
    draft.write_text(json.dumps({**read_record(directory), **record}))
    draft.replace(path)


def read_record(directory: Path) -> dict[str, Any]:
    """Return what is written down of an environment; nothing where there is no record. Raises `UsageError` where it can't be read."""
    path = directory / RECORD
    try:
        found = json.loads(path.read_bytes())
        return dict(found)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path), next="mend it; its class is test or production") from error
