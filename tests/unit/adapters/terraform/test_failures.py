from __future__ import annotations

from pathlib import Path

import pytest

from immtf.adapters.process import Ending, Finished
from immtf.adapters.terraform.diagnostics import Diagnostic
from immtf.adapters.terraform.failures import Ended, Lock, RunFailed, StateLocked, failure, parse_lock
from immtf.errors import ExitCode, Interrupted, StalePlan

S3_LOCK = """Error message: operation error S3: PutObject, https response error StatusCode: 412
Lock Info:
  ID:        27997436-f419-5bf6-e1c2-59341b40802f
  Path:      bucket/consul.tfstate
  Operation: OperationTypePlan
  Who:       ci@runner-7
  Version:   1.11.4
  Created:   2026-11-21 23:06:05.953308739 +0000 UTC
  Info:

Terraform acquires a state lock to protect the state from being written
"""


def make_ended(*diagnostics: Diagnostic, ending: Ending = Ending.BY_ITSELF, late: bool = False, tail: str = "") -> Ended:
    return Ended("terraform", "apply", Path("/r m"), Finished(1, 12.3, ending, late), 60, diagnostics, tail)


def test_a_stale_plan() -> None:
    assert isinstance(failure(make_ended(Diagnostic("error", "Saved plan is stale"))), StalePlan)


def test_a_held_lock() -> None:
    error = failure(make_ended(Diagnostic("error", "Error acquiring the state lock", S3_LOCK)))
    assert isinstance(error, StateLocked)
    assert error.lock.id == "27997436-f419-5bf6-e1c2-59341b40802f"
    assert "locked by ci@runner-7 since 2026-11-21 23:06:05.953308739 +0000 UTC for plan" in error.what
    assert "force-unlock 27997436-f419-5bf6-e1c2-59341b40802f" in error.next


def test_a_held_lock_that_tells_nothing() -> None:
    error = failure(make_ended(Diagnostic("error", "Error acquiring the state lock", "no more")))
    assert "somebody who is not named" in str(error)
    assert parse_lock("") == Lock()


@pytest.mark.parametrize(
    "summary",
    [
        'Backend initialization required, please run "terraform init"',
        "Module not installed",
        "Inconsistent dependency lock file",
        "Required plugins are not installed",
    ],
)
def test_what_init_would_mend(summary: str) -> None:
    assert failure(make_ended(Diagnostic("error", summary))).next == "terraform -chdir='/r m' init"


def test_every_error_is_told_and_the_first_place() -> None:
    error = failure(
        make_ended(Diagnostic("warning", "w"), Diagnostic("error", "one"), Diagnostic("error", "two", "why", "main.tf", 3, "a.b"))
    )
    assert isinstance(error, RunFailed)
    assert error.where == "/r m/main.tf:3"
    assert error.what == "terraform apply failed:\n  one\n  main.tf:3: a.b: two\n  why"
    assert len(error.diagnostics) == 3
    assert (error.status, error.exit_code) == (1, ExitCode.ERROR)


def test_without_diagnostics_the_end_of_the_output_is_shown() -> None:
    assert "panic: oh" in failure(make_ended(tail="panic: oh\n")).what
    assert failure(make_ended()).what == "terraform apply failed with exit code 1 and said nothing"


def test_an_interrupt_that_was_asked_for() -> None:
    error = failure(make_ended(Diagnostic("error", "execution halted"), ending=Ending.INTERRUPTED))
    assert isinstance(error, Interrupted)
    assert "got one interrupt and ended after 12 s" in error.what
    assert "execution halted" in error.what


@pytest.mark.parametrize(("ending", "words"), [(Ending.LATE, "one interrupt"), (Ending.KILLED, "SIGKILL")])
def test_past_the_limit(ending: Ending, words: str) -> None:
    error = failure(make_ended(ending=ending, late=True))
    assert "did not end within 60 s" in error.what
    assert words in error.what


@pytest.mark.parametrize(
    ("detail", "code", "exit_code", "told"),
    [
        ("ExpiredToken: The security token is expired", "ExpiredToken", ExitCode.PERSON_NEEDED, "renew the credentials"),
        ("RequestLimitExceeded: Request limit exceeded", "RequestLimitExceeded", ExitCode.ERROR, "AWS throttles"),
        ("InternalError: An internal error has occurred", "InternalError", ExitCode.ERROR, "a fault of its own"),
        ("InsufficientInstanceCapacity: none here", "InsufficientInstanceCapacity", ExitCode.ERROR, "mend what is named above"),
        ("InvalidSubnet.Conflict: no", "", ExitCode.ERROR, "mend what is named above"),
    ],
)
def test_the_cloud_s_own_word_is_kept(detail: str, code: str, exit_code: ExitCode, told: str) -> None:
    """F24, F41, F42: what the provider was refused is known by the cloud's code, not by the sentence around it."""
    error = failure(make_ended(Diagnostic("error", f"Error launching source instance: {detail}\n\tstatus code: 400, request id: 0")))
    assert isinstance(error, RunFailed)
    assert (error.code, error.exit_code) == (code, exit_code)
    assert told in error.next


def test_a_warning_is_no_refusal_of_the_cloud() -> None:
    error = failure(make_ended(Diagnostic("warning", "Throttling may come"), Diagnostic("error", "one")))
    assert isinstance(error, RunFailed)
    assert error.code == ""


def test_what_was_ended_in_the_midst_of_its_work_was_not_only_refused() -> None:
    """F24: only an apply that ended by itself is tried again."""
    refused = Diagnostic("error", "Error launching source instance: InsufficientInstanceCapacity: none")
    error = failure(make_ended(refused, late=True))
    assert isinstance(error, RunFailed)
    assert error.code == ""
