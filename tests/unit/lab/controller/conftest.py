"""The place of a lab, which is ended whatever a test did with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.lab import client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "lab"
    yield place
    client.down(place)
