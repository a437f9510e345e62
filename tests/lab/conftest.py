"""What every rehearsal gets: a lab of its own, which is down at the end whatever happened."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.order import dealt, minutes
from tests.lab.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the rehearsals out to xdist's workers, when all that is not to run has been taken out."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers > 1:
        items[:] = dealt(items, [minutes(item) for item in items], workers)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    """A rehearsal of the block consul without a base."""
    yield from _rehearsed(Rehearsal(tmp_path))


@pytest.fixture
def infrastructure(tmp_path: Path) -> Iterator[Rehearsal]:
    """A rehearsal with the repository's own blocks, which need one another."""
    yield from _rehearsed(Rehearsal(tmp_path, alone=False))


def _rehearsed(made: Rehearsal) -> Iterator[Rehearsal]:
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a figure that a person wants to see even where the test passes."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"\n{request.node.name}: {text}\n")

    return write
