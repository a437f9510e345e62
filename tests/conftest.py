"""For all tests: properties are never timed, since machines are shared; in CI they draw the same examples each time."""

from __future__ import annotations

import os
import sys
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


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failure when it happens: the summary comes at the end of a long run, or never where that is killed."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.when} of {report.nodeid} failed after {report.duration:.0f} s", file=sys.__stderr__, flush=True)
