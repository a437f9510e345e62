"""The copy of the state from before the last apply: named by whoever halts, gone where the run ended well."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform import TerraformCli
from immtf.adapters.terraform.runs import TerraformRun
from immtf.adapters.terraform.unsaved import StateUnsaved
from immtf.app.closing import Outcome, run_to_end
from immtf.errors import ExitCode, TerraformFailed
from tests.fakes.session import make_session
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.session import SimSession


def make_applied(tmp_path: Path) -> tuple[SimSession, Path]:
    """Return a session whose first Terraform applied something on a state that is kept elsewhere, and whose last one did not."""
    session = make_session(make_scene(3))
    for _each in range(2):
        session.terraforms.append(
            TerraformCli(root=tmp_path, environment={}, scratch=tmp_path / "scratch", listen=lambda _event: None, cancel=threading.Event())
        )
    first = session.terraforms[0]
    first._runner.runs.append(TerraformRun("apply", 1.0, 0))
    first.copy = first._copies.keep("{}", 4)
    return session, first.copy


def failing() -> Outcome:
    raise TerraformFailed("it failed")


def test_a_halt_names_it_and_it_stays(tmp_path: Path) -> None:
    """F8."""
    session, copy = make_applied(tmp_path)
    assert run_to_end(session, "upgrade", failing) is ExitCode.ERROR
    assert session.halted.safe.endswith(f"the state from before the last apply is kept in {copy}")
    session.close()
    assert copy.exists()


@pytest.mark.parametrize(
    ("command", "outcome", "left"),
    [
        ("upgrade", Outcome(), False),
        ("upgrade", Outcome("nothing_to_do"), False),
        ("upgrade", Outcome("pending", ExitCode.CHANGES_PENDING), True),
        ("status", Outcome(), True),
        ("plan", Outcome("nothing_to_do"), True),
        ("unlock", Outcome("nothing_to_do"), True),
        ("unlock", Outcome(), True),
        ("repair", Outcome(), True),
    ],
)
def test_it_goes_with_a_run_that_ended_well(tmp_path: Path, command: str, outcome: Outcome, left: bool) -> None:
    """F49: it holds secrets; a command that only looks leaves another run's copy alone."""
    session, copy = make_applied(tmp_path)
    run_to_end(session, command, lambda: outcome)
    session.close()
    assert copy.exists() is left


def test_a_command_that_changes_nothing_saves_no_state_that_an_earlier_apply_left() -> None:
    """F9, F12: the run whose state it is may be at it just now; one that changes something has its leases asked first."""
    session = make_session(make_scene(3))
    with pytest.raises(StateUnsaved, match="this command changes nothing"):
        session._may_save()
