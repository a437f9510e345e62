"""What every test of the container gets: the image."""

from __future__ import annotations

import pytest

from tests.container.image import immtf_image


@pytest.fixture(scope="session")
def image() -> str:
    return immtf_image()


@pytest.fixture(scope="session")
def lab_image() -> str:
    return immtf_image("lab")
