"""The state where it is a file on this machine: where it is, its copy from before an apply, and what a kill leaves of it.

A Terraform that is killed in its first apply leaves a state of 0 bytes, which it would read as "nothing exists" and make everything
a second time. Such a file is put back from the copy; without a copy it is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from typing import TYPE_CHECKING

from immtf.errors import TerraformFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def state_file(root: Path, environment: Mapping[str, str]) -> Path | None:
    """Return where the state of the selected workspace is or will be; None where a backend keeps it elsewhere."""
    data = root / environment.get("TF_DATA_DIR", ".terraform")
    config = _local_backend(data / "terraform.tfstate")
    if config is None:
        return None
    workspace = environment.get("TF_WORKSPACE") or _text(data / "environment") or "default"
    if workspace != "default":
        return root / (config.get("workspace_dir") or "terraform.tfstate.d") / workspace / "terraform.tfstate"
    return root / (config.get("path") or "terraform.tfstate")


def serial(path: Path | None) -> int | None:
    """Return the state's serial; None where there is no such file or it can't be read."""
    try:
        return int(json.loads(path.read_bytes())["serial"]) if path is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def copy_of(path: Path) -> Path:
    """Return where the copy of a state is kept."""
    return path.with_name(path.name + ".before-apply")


def keep_copy(path: Path) -> Path | None:
    """Copy the state as it is before an apply, mode 0600, replacing the earlier copy at once; return the copy.

    Where there is no state yet, there is no copy either: an older one is moved aside, so that it is never taken for this apply's.
    """
    copy = copy_of(path)
    if not path.exists():
        if copy.exists():
            copy.replace(copy.with_name(copy.name + ".older"))
        return None
    partial = copy.with_name(copy.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to, path.open("rb") as source:
        shutil.copyfileobj(source, to)
    partial.replace(copy)
    return copy


def mend_empty(path: Path) -> bool:
    """Put the copy back where the state is a file of 0 bytes; return whether that was done.

    While a first apply is at work, in another checkout, its state is empty too: one that is locked is left to Terraform, which tells whose
    it is. Raises `TerraformFailed` where there is no copy: what the killed apply made is known to the cloud only.
    """
    if not path.exists() or path.stat().st_size > 0 or _is_locked(path):
        return False
    copy = copy_of(path)
    if serial(copy) is None:
        raise TerraformFailed(
            "the state is empty: a first apply was killed in it, and what it had made is in the cloud only",
            where=str(path),
            next=f"remove what that apply made (find it by its tags), then: rm {path}",
        )
    partial = path.with_name(path.name + ".partial")
    partial.touch(mode=0o600)  # before anything is in it: a state holds secrets
    partial.chmod(0o600)
    shutil.copyfile(copy, partial)
    partial.replace(path)
    return True


def _is_locked(path: Path) -> bool:
    """Return whether a live process has the state locked, as Terraform locks it, or that can't be found out.

    Such a lock never outlives its process.
    """
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _local_backend(path: Path) -> dict[str, str] | None:
    """Return the local backend's settings as `init` left them; without a backend block there are none, and none is needed."""
    try:
        backend = json.loads(path.read_bytes()).get("backend") or {"type": "local"}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError):
        return None
    return dict(backend.get("config") or {}) if backend.get("type") == "local" else None


def _text(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
