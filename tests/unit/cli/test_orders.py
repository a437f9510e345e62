"""`immtf lab order`: a fault is read from the options, exactly one, and given to the lab that is up."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import LabFailed
from immtf.lab import client
from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.lab.client import Lab


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program's home with a lab in it that runs nothing."""
    place = tmp_path_factory.mktemp("home")
    client.up(place / "labs/default", path=[], environment=os.environ)
    yield place
    client.down(place / "labs/default")


@pytest.fixture
def lab(home: Path) -> Iterator[Lab]:
    found = client.find(home / "labs/default")
    assert found
    yield found
    found.clear_orders()


def order(home: Path, *words: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    done = immtf_program("lab", "order", *words, "--home", str(home), cwd=home)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr


@pytest.mark.parametrize(
    ("words", "then", "rest"),
    [
        (["--fail", "VolumeInUse"], {"fail": {"code": "VolumeInUse", "message": "answered on order", "status": 0}}, {"times": 1}),
        (["--late", "2", "--times", "3"], {"late": 2.0}, {"times": 3}),
        (["--stuck", "--resource", "vol-1"], "stuck", {"resource": "vol-1", "times": 1}),
        (["--stale", "--for", "50"], "stale", {"times": None, "seconds": 50.0}),
        (["--drop", "--for", "0", "--every", "5"], "drop", {"times": None, "seconds": None, "every": 5}),
        (["--drop-answer"], "drop-answer", {"times": 1}),
    ],
)
def test_an_order_is_given_as_the_options_say(home: Path, lab: Lab, words: list[str], then: Any, rest: dict[str, Any]) -> None:
    assert order(home, "AttachVolume", *words) == ([], "")
    (row,) = lab.orders()
    assert row["action"] == "AttachVolume"
    assert row["then"] == then
    assert rest.items() <= row.items()


def test_orders_are_listed_and_cleared(home: Path, lab: Lab) -> None:
    lab.order("StopInstances", "stuck", times=2)
    listed, _ = order(home)
    assert [(row["action"], row["then"], row["times"]) for row in listed] == [("StopInstances", "stuck", 2)]
    order(home, "--clear")
    assert lab.orders() == ()


@pytest.mark.parametrize(("words", "told"), [([], "0 faults are ordered"), (["--stuck", "--stale"], "2 faults are ordered")])
def test_exactly_one_fault_is_ordered(home: Path, lab: Lab, words: list[str], told: str) -> None:
    _, stderr = order(home, "RunInstances", *words, code=2)
    assert told in stderr
    assert "--drop-answer" in stderr
    assert lab.orders() == ()


def test_an_order_names_its_action(home: Path, lab: Lab) -> None:
    _, stderr = order(home, "--stuck", code=2)
    assert "which call goes wrong is not said" in stderr
    assert lab.orders() == ()


def test_an_order_that_the_lab_does_not_understand_is_refused(lab: Lab) -> None:
    with pytest.raises(LabFailed, match="isn't understood"):
        lab.order("RunInstances", "explode")


@pytest.mark.parametrize("words", [["RunInstances", "--stuck"], ["--clear"], []])
def test_without_a_lab_it_is_said_how_to_start_one(words: list[str], tmp_path: Path) -> None:
    _, stderr = order(tmp_path, *words, code=1)
    assert "no lab default is up" in stderr
    assert "immtf lab up --name default" in stderr
