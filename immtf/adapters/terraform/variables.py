"""Terraform's variables, handed over in a file that exists for one command: they may be secret, and argv is for all to see."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.runs import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from immtf.model.layout import Held


@contextmanager
def variables_file(scratch: Path, variables: Mapping[str, Any], held: Mapping[str, Held] | None = None) -> Iterator[Path | None]:
    """Give a file of mode 0600 with these variables, and with what is `held` in the variable of that name; None where there are none."""
    told = {**variables, **({"held": {key: asdict(item) for key, item in held.items()}} if held else {})}
    if not told:
        yield None
        return
    path = new_file(scratch, "tfvars.json")
    try:
        path.write_text(json.dumps(told))
        yield path
    finally:
        path.unlink(missing_ok=True)
