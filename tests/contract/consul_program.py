"""The real Consul for tests that start one; where it can't be had they are skipped, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import ImmtfError
from immtf.lab.toolchain import Cache, Toolchain, cache_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def consul_program(environment: Mapping[str, str], home: Path) -> Path:
    """Return the program, found or fetched as for a lab; `home` is the user's directory. Skips the test where there is none."""
    try:
        consul = Toolchain(Cache(cache_directory(environment, home)), environment).ready().consul
    except ImmtfError as error:
        pytest.skip(f"no Consul here: {error.what}")
    if consul is None:
        pytest.skip("no Consul here: nothing names one")
    return consul
