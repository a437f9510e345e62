"""The pytest that a run starts: its arguments and its environment. Pure.

It runs the user's tests and nothing of what lies about: no settings or `conftest.py` from above the tests' own directory, no plugins
that happen to be installed, no options out of the environment, nothing written beside the tests.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLUGIN = "immtf.adapters.testinfra.plugin"
FACTS_VARIABLE = "IMMTF_CHECK_FACTS"
_NOTHING = os.devnull
_FOREIGN = ("PYTEST_", "COV_CORE_")


def argv(python: str, tests: Path, *, scratch: Path, settings: Path | None) -> list[str]:
    """Return the command for tests at an absolute path, to be run in their directory; its report goes to `scratch`.

    `settings` is the tests' own `pytest.ini`. The tests are named from where they are: pytest takes `[` and `::` in a path for its own.
    """
    directory = directory_of(tests)
    named = "." if directory == tests else f"./{tests.name}"
    where = ["-c", str(settings or _NOTHING), f"--rootdir={directory}", f"--confcutdir={directory}", f"--basetemp={scratch / 'tmp'}"]
    report = [f"--junitxml={scratch / 'report.xml'}", "-o", "junit_family=xunit1", "-o", "junit_logging=no"]
    # -P: the directory it is started in is none that Python imports from.
    return [
        python,
        "-P",
        "-m",
        "pytest",
        "-p",
        PLUGIN,
        "-p",
        "no:cacheprovider",
        *where,
        *report,
        "--tb=short",
        "--color=no",
        "-q",
        named,
    ]


def directory_of(tests: Path) -> Path:
    """Return the directory of the tests: that of a file, or itself."""
    return tests if tests.is_dir() else tests.parent


def child_environment(given: Mapping[str, str], *, package: Path, facts: Path) -> dict[str, str]:
    """Return the child's environment: the one given, without what would change pytest; `package` is the directory that holds immtf."""
    kept = {name: value for name, value in given.items() if not name.startswith(_FOREIGN)}
    paths = [str(package), *filter(None, [kept.get("PYTHONPATH", "")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        FACTS_VARIABLE: str(facts),
    }
