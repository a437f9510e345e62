"""The table of failure modes in docs/: which test shows each of them, read from the tests' own docstrings.

`python -m tests.failure_table` writes the last column anew; `tests/unit/test_failure_table.py` holds that it is true and whole.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[1]
TABLE = REPOSITORY / "docs/failure-modes.md"
NUMBER = re.compile(r"\b(F[1-9][0-9]?|S[12])\b")
ROW = re.compile(r"^\| (F[0-9]+|S[0-9]) \|")
SHOWN = 4  # tests named in a row; the others can be found by the number


def shown_by(tests: Path) -> dict[str, list[str]]:
    """Return the tests by the numbers that their docstrings name, each as `lab/test_killed.py::test_x`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for name, text in _told(ast.parse(path.read_text()).body):
            for number in sorted(set(NUMBER.findall(text))):
                found[number].append(f"{path.relative_to(tests).as_posix()}::{name}")
    return found


def _told(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, str]]:
    """Give every test and class of tests with its docstring."""
    for item in body:
        if isinstance(item, ast.ClassDef):
            if item.name.startswith("Test"):
                yield f"{within}{item.name}", ast.get_docstring(item) or ""
            yield from _told(item.body, f"{within}{item.name}::")
        elif isinstance(item, ast.FunctionDef) and item.name.startswith("test_"):
            yield f"{within}{item.name}", ast.get_docstring(item) or ""


def filled(text: str, tests: dict[str, list[str]]) -> str:
    """Return the document with the last column of each row written anew: rehearsals and real programs first."""
    return "".join(_row(line, tests) for line in text.splitlines(keepends=True))


def _row(line: str, tests: dict[str, list[str]]) -> str:
    number = ROW.match(line)
    if number is None:
        return line
    cells = line.rstrip("\n").strip("|").split(" | ")[:3]
    names = sorted(tests.get(number[1], []), key=lambda name: (_rank(name), name))
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"| {' | '.join(cell.strip() for cell in cells)} | {', '.join(f'`{name}`' for name in names[:SHOWN])}{more} |\n"


def _rank(name: str) -> int:
    return next((place for place, room in enumerate(("lab/", "contract/", "hcl/")) if name.startswith(room)), 3)


if __name__ == "__main__":
    TABLE.write_text(filled(TABLE.read_text(), shown_by(REPOSITORY / "tests")))
    sys.stdout.write(f"written: {TABLE.relative_to(REPOSITORY)}\n")
