from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform.copies import Copies
from immtf.adapters.terraform.diagnostics import Diagnostic
from immtf.adapters.terraform.failures import Lock, RunFailed, StateLocked
from immtf.adapters.terraform.unsaved import PAUSES_S, StateUnsaved, Told, Unsaved, tell
from immtf.errors import Interrupted, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from immtf.adapters.terraform.stream import TerraformEvent

NEVER = 1000


def make_state(serial: int, lineage: str = "one", **more: Any) -> str:
    return json.dumps({"version": 4, "lineage": lineage, "serial": serial, "resources": [], "outputs": {}, **more})


@dataclass
class Place:
    """Where a state belongs: what it has there, and how often it refuses to take another one; it refuses what Terraform refuses."""

    state: str = ""
    refusals: int = 0
    locked: bool = False
    pushed: list[str] = field(default_factory=list)

    def run(self, command: tuple[str, ...]) -> str:
        if command[:2] == ("state", "pull"):
            return self.state
        assert command[:2] == ("state", "push")
        if self.locked:
            error = StateLocked("the state is locked by ada", next="force-unlock 0a1b")
            error.lock = Lock(id="0a1b")
            raise error
        if self.refusals:
            self.refusals -= 1
            raise RunFailed("Failed to upload state")
        self.pushed.append(command[-1])
        return ""


def make_unsaved(
    root: Path, place: Place, *, cancelled: bool = False, before: str | None = None, guard: Callable[[], None] = lambda: None
) -> tuple[Unsaved, list[float], list[TerraformEvent]]:
    slept: list[float] = []
    told: list[TerraformEvent] = []
    known = place.state if before is None else before
    unsaved = Unsaved(root, "terraform", 60, place.run, told.append, slept.append, lambda: cancelled, lambda: known, guard, kept(root))
    return unsaved, slept, told


def kept(root: Path) -> Copies:
    return Copies(root.with_name(f"{root.name}-scratch"), root, "")


def errors(*summaries: str) -> RunFailed:
    warning = Diagnostic("warning", "something else")
    return RunFailed("terraform apply failed", diagnostics=[warning, *(Diagnostic("error", summary) for summary in summaries)])


def test_where_nothing_was_left_nothing_is_done(tmp_path: Path) -> None:
    unsaved, _, told = make_unsaved(tmp_path, Place())
    unsaved.settle()
    assert not unsaved.save_after(errors("x"))
    unsaved.forget()
    assert told == []


@pytest.mark.parametrize(
    ("error", "only_saving"),
    [
        (errors("Failed to save state", "Failed to persist state to backend"), True),
        (errors("Failed to save state", "Error: creating EC2 Instance"), False),
        (errors(), False),
        (Interrupted("one interrupt"), False),
    ],
)
def test_whether_saving_was_all_that_had_failed(tmp_path: Path, error: RunFailed, only_saving: bool) -> None:
    """F9: an apply whose every error was about saving has done what it was for, once its state is saved."""
    place = Place(refusals=2)
    unsaved, slept, _ = make_unsaved(tmp_path, place)
    unsaved.path.write_text(make_state(2))
    assert unsaved.save_after(error) is only_saving
    assert slept == list(PAUSES_S[:2])
    assert place.pushed == [str(unsaved.path)]
    assert [path.name for path in tmp_path.iterdir()] == ["errored.tfstate.pushed"]


def test_what_else_had_failed_is_not_lost(tmp_path: Path) -> None:
    """F9."""
    unsaved, _, _ = make_unsaved(tmp_path, Place(refusals=NEVER))
    unsaved.path.write_text(make_state(2))
    with pytest.raises(StateUnsaved, match="Before that: terraform apply failed"):
        unsaved.save_after(errors("Failed to save state", "creating EC2 Instance"))
    with pytest.raises(StateUnsaved) as only:
        unsaved.save_after(errors("Failed to save state"))
    assert "Before that" not in only.value.what


def test_a_second_copy_outlives_the_root_module(tmp_path: Path) -> None:
    """F9: in a container the root module goes with it, the scratch directory may be outside. Gone when the state is saved."""
    place = Place(refusals=NEVER)
    unsaved, _, _ = make_unsaved(tmp_path, place)
    unsaved.path.write_text(make_state(2))
    with pytest.raises(StateUnsaved) as failed:
        unsaved.save_after(errors("Failed to save state"))
    (copy,) = (kept(tmp_path).scratch / "states").iterdir()
    assert f"a copy of it in {copy}" in failed.value.what
    assert copy.read_text() == make_state(2)
    assert copy.stat().st_mode & 0o777 == 0o600
    place.state, place.refusals = make_state(1), 0
    assert unsaved.save_after(errors("Failed to save state"))
    assert not copy.exists()


def test_a_second_copy_that_can_not_be_written_hides_nothing(tmp_path: Path) -> None:
    unsaved, _, _ = make_unsaved(tmp_path, Place(refusals=NEVER))
    unsaved.path.write_text(make_state(2))
    kept(tmp_path).scratch.write_text("a file is in the way")
    with pytest.raises(StateUnsaved, match="It is in this file, and nowhere else"):
        unsaved.save_after(errors("Failed to save state"))


@pytest.mark.parametrize(("locked", "cancelled", "tries"), [(False, False, len(PAUSES_S) + 1), (True, False, 1), (False, True, 1)])
def test_the_tries_are_bounded(tmp_path: Path, locked: bool, cancelled: bool, tries: int) -> None:
    """F9: a push that waited for a lock in vain is not made again, nor one after which the run is to end at once."""
    unsaved, slept, _ = make_unsaved(tmp_path, Place(refusals=NEVER, locked=locked), cancelled=cancelled)
    unsaved.path.write_text(make_state(2))
    with pytest.raises(StateUnsaved, match=f"tried {tries} times") as failed:
        unsaved.save_after(errors("Failed to save state"))
    assert slept == list(PAUSES_S[: tries - 1])
    assert unsaved.path.exists()
    assert failed.value.next.startswith("force-unlock 0a1b; then " if locked else "terraform -chdir=")


@pytest.mark.parametrize(
    ("left", "there", "end"),
    [
        (make_state(5), make_state(4, outputs={"o": 1}), "pushed"),
        (make_state(5), make_state(6), "known"),
        (make_state(5), make_state(5, outputs={"o": 1}), "refused"),
        (make_state(5), make_state(9, outputs={"o": 1}), "refused"),
        (make_state(5), make_state(4, "other"), "refused"),
        (make_state(5), "", "refused"),
        (make_state(5), make_state(0, ""), "refused"),
        ("", make_state(4), "refused"),
        ("", "", "refused"),
    ],
)
def test_only_the_next_state_of_the_same_lineage_is_pushed(tmp_path: Path, left: str, there: str, end: str) -> None:
    """F9: what is in place already is put away; whatever else it is, nothing is written and both are told."""
    place = Place(there)
    unsaved, _, _ = make_unsaved(tmp_path, place)
    unsaved.path.write_text(left)
    if end == "refused":
        with pytest.raises(StateUnsaved) as refused:
            unsaved.settle()
        assert str(tell(left)) in refused.value.what
        assert str(tell(there)) in refused.value.what
        assert unsaved.path.read_text() == left
    else:
        unsaved.settle()
        assert not unsaved.path.exists()
    assert len(place.pushed) == (end == "pushed")


@pytest.mark.parametrize("before", ["", make_state(3)], ids=["no copy", "a copy of another time"])
def test_the_state_of_a_run_that_took_over_is_not_written_over(tmp_path: Path, before: str) -> None:
    """F9, F12: each writer counts serials for itself; one whose saves all failed has the greater one and is not the next."""
    place = Place(make_state(5, outputs={"by": "the run that took over"}))
    unsaved, _, _ = make_unsaved(tmp_path, place, before=before)
    unsaved.path.write_text(make_state(9))
    with pytest.raises(StateUnsaved, match="not surely the next one"):
        unsaved.settle()
    assert place.pushed == []
    assert unsaved.path.exists()


@pytest.mark.parametrize("there", [make_state(4), make_state(5)], ids=["to be pushed", "pushed already"])
def test_what_an_earlier_run_left_is_left_alone_where_nothing_may_be_changed(tmp_path: Path, there: str) -> None:
    """F9, F12: a command that only looks, or one that lost its lease, saves nothing: its owner may be at it just now."""

    def guard() -> None:
        raise LeaseLost("the lease was lost")

    place = Place(there)
    unsaved, _, _ = make_unsaved(tmp_path, place, guard=guard)
    unsaved.path.write_text(make_state(5))
    with pytest.raises(LeaseLost):
        unsaved.settle()
    assert place.pushed == []
    assert unsaved.path.exists()


@pytest.mark.parametrize("text", ["", "[]", "null", '{"serial": 1}', '{"lineage": "x", "serial": "y"}', '{"lineage": "x", "se'])
def test_a_text_that_is_no_state_tells_nothing(text: str) -> None:
    assert tell(text) == Told()
    assert str(tell(text)) == "no state"
