"""Whether there are tests where a gate says that they are: pytest's own rule for names, unless a `pytest.ini` beside them has another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWN_SETTINGS = "pytest.ini"
_NAMES = ("test_*.py", "*_test.py")


def missing_tests(place: Path) -> str:
    """Say why `place` has no tests in it; "" where it has."""
    try:
        if place.is_file():
            return "" if place.suffix == ".py" else f"`{place.name}` is not a file of tests (`test_*.py`)"
        if not place.is_dir():
            return f"there is nothing at `{place}`"
        if (place / OWN_SETTINGS).is_file() or any(file for name in _NAMES for file in place.rglob(name)):
            return ""
    except (OSError, ValueError) as error:
        return f"`{place}` can't be read: {error}"
    return f"the directory `{place}` holds no tests (`test_*.py`)"
