"""For all tests: properties are never timed, since machines are shared; in CI they draw the same examples each time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import pytest

settings.register_profile("shared", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a Docker engine where there is none, or fail it where there must be one (IMMTF_REQUIRE_DOCKER=1)."""
    if item.get_closest_marker("docker") is not None:
        from tests.container.image import require_engine

        require_engine(dict(os.environ))
