"""The use case `reap` on a cloud that refuses what EC2 refuses, and on states destroyed as Terraform would: what goes, what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.adapters.terraform.stream import TerraformEvent
from immtf.app import reaping
from immtf.app.imaging.session import run_to_end
from immtf.app.reaping import Order, Reaper, reap_with
from immtf.errors import (
    CloudFailed,
    CredentialsRefused,
    ExitCode,
    UsageError,
)
from immtf.model.events import Noted, RunHalted, TerraformTold
from tests.fakes.calls import Fault
from tests.fakes.network import whole_network
from tests.unit.app.reaped import NAME, OTHER, Stored, made, make_desk, run, tags

if TYPE_CHECKING:
    from immtf.model.reaping import StoredState


def test_an_environment_goes_by_its_states_and_what_no_state_has_by_its_tags() -> None:
    """F43: instances first, consumers before producers, the rest by tag; the record last."""
    desk = make_desk()
    stored, asked = made(desk), list[str]()
    assert run(desk, stored, asked=asked) is ExitCode.DONE
    assert (desk.cloud.things, stored.order, stored.forgotten) == ({}, ["consul", "base"], True)
    assert stored.holds == ["taken", "given back"]
    assert asked == ["Remove 1 environments and 11 things in the cloud, the data in them too?"]
    assert f"environment {NAME} is gone, with its states and its record" in desk.notes()
    assert any(note.startswith(f"environment {NAME} goes: its time was over at ") for note in desk.notes())


def test_a_dry_run_tells_what_would_go_and_touches_nothing() -> None:
    desk = make_desk()
    stored, asked = made(desk), list[str]()
    assert run(desk, stored, dry_run=True, asked=asked) is ExitCode.DONE
    assert (len(desk.cloud.things), stored.order, stored.forgotten, asked, stored.holds) == (11, [], False, [], [])
    assert any(note.startswith("instance i-x goes: its time was over at ") for note in desk.notes())


def test_a_no_ends_it_before_anything() -> None:
    desk = make_desk()
    stored = made(desk)

    def no(_question: str) -> None:
        raise UsageError("not confirmed")

    order = Order([lambda: [stored.left()]])
    code = run_to_end(desk, "reap", lambda: reap_with(desk, order, Reaper(desk.cloud, stored.terraform), no))  # type: ignore[arg-type]  # as above
    assert (code, len(desk.cloud.things), stored.forgotten) == (ExitCode.USAGE, 11, False)


def test_where_nothing_is_past_its_time_nothing_is_asked() -> None:
    """F43: one that is not over, one at work past its time (told), one whose record can't be read (told), and things of production."""
    desk = make_desk()
    later, working = Stored(desk, OTHER, life_s=60), Stored(desk, NAME, running="run r7 of ada")
    whole_network(desk.cloud, "later", tags(desk, OTHER, 60))
    whole_network(desk.cloud, "working", tags(desk))
    desk.cloud.add("vpc-mine", "vpc", {**tags(desk), "immtf:class": "production"})
    broken = Stored(desk, "t-22222222").left(record=None, problem="it can't be read")
    order = Order([lambda: [later.left(), working.left()], lambda: [broken]])
    asked: list[str] = []
    outcome = reap_with(desk, order, Reaper(desk.cloud, later.terraform), asked.append)  # type: ignore[arg-type]  # as above
    assert (outcome.outcome, asked, len(desk.cloud.things)) == ("nothing_to_do", [], 23)
    assert "environment t-22222222 is left: it can't be read (/e/t-22222222)" in desk.notes()
    assert f"environment {NAME} is left: somebody may be at work in it: run r7 of ada" in desk.notes()
    assert any(note.startswith("vpc vpc-working is left: ") for note in desk.notes())
    assert not any("later" in note for note in desk.notes())


def test_what_can_not_be_removed_is_told_and_its_record_stays_while_others_go() -> None:
    """F43: exit code 24, and the next reap goes on."""
    desk = make_desk()
    stored, other = made(desk), Stored(desk, OTHER)
    desk.cloud.add("eni-mine", "network-interface", {}, "subnet-x")
    assert run(desk, stored, other) is ExitCode.PERSON_NEEDED
    assert (stored.forgotten, other.forgotten) == (False, True)
    (halt,) = (event for event in desk.told if isinstance(event, RunHalted))
    assert f"environment {NAME}: subnet-x: DependencyViolation" in halt.what
    del desk.cloud.things["eni-mine"]
    assert run(desk, stored) is ExitCode.DONE
    assert (stored.forgotten, desk.cloud.things) == (True, {})


def test_things_of_it_that_are_left_keep_its_record_too() -> None:
    """F43."""
    desk = make_desk()
    stored = Stored(desk, NAME)
    desk.cloud.add("vol-x", "volume", tags(desk))
    desk.cloud.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "sweeper.remove.volume", times=9)]
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert not stored.forgotten


def test_instances_that_do_not_go_keep_its_states() -> None:
    desk = make_desk()
    stored = made(desk)
    desk.cloud.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "sweeper.remove.instance", times=9)]
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert stored.order == []


def test_a_state_of_no_bytes_tells_of_nothing_and_is_told() -> None:
    """F43: as a Terraform leaves it that was killed in its first apply; one that can't be read is no such."""
    desk = make_desk()
    stored = Stored(desk, NAME, texts={"consul": "", "base": "{}"})
    whole_network(desk.cloud, "x", tags(desk))
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert (desk.cloud.things, stored.forgotten) == ({}, False)
    del stored.texts["base"]
    assert run(desk, stored) is ExitCode.DONE
    (told,) = (note for note in desk.notes() if "the state of consul was empty" in note)
    assert "what it made was looked for by its tags" in told
    assert stored.forgotten


def test_a_state_that_holds_something_after_all_keeps_its_record() -> None:
    desk = make_desk()
    stored = Stored(desk, NAME)
    stored.add("consul", [])
    look = stored.states

    def again() -> tuple[StoredState, ...]:
        found = look()
        stored.add("consul", ["vpc-new"])
        return found

    order = Order([lambda: [stored.left(states=again)]])
    code = run_to_end(desk, "reap", lambda: reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None))  # type: ignore[arg-type]  # as above
    assert (code, stored.forgotten) == (ExitCode.PERSON_NEEDED, False)


def test_a_record_is_the_later_word_than_the_tags() -> None:
    """F43: where a life was made longer, or a record can't be read, what bears the old tags stays, and is told."""
    longer, gone = Stored(desk := make_desk(), NAME, life_s=60), Stored(desk, "t-33333333")
    for name in (NAME, OTHER, gone.name, "t-44444444"):
        desk.cloud.add(f"vol-{name}", "volume", tags(desk, name))
    order = Order([lambda: [longer.left(), gone.left(), Stored(desk, OTHER).left(record=None, problem="it can't be read")]])
    reap_with(desk, order, Reaper(desk.cloud, gone.terraform), lambda _: None)  # type: ignore[arg-type]  # as above
    assert set(desk.cloud.things) == {f"vol-{NAME}", f"vol-{OTHER}", "vol-t-44444444"}
    assert sum("or its record tells otherwise" in note for note in desk.notes()) == 2
    assert sum("without a record its test has an hour more" in note for note in desk.notes()) == 1


def test_a_record_in_another_environment_s_place_leads_to_nothing() -> None:
    """F43."""
    desk = make_desk()
    stored = Stored(desk, NAME)
    order = Order([lambda: [stored.left(environment="staging")]])
    assert reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None).outcome == "nothing_to_do"  # type: ignore[arg-type]  # as above
    assert any(f"environment staging is left: its record is another environment's: {NAME}" in note for note in desk.notes())


def test_what_was_lost_to_another_while_a_person_was_asked_is_left_alone() -> None:
    """F43, F48: its things too."""
    desk = make_desk()
    stored = made(desk)
    order = Order([lambda: [stored.left()]])
    began = lambda _: setattr(stored, "lost", "taken over by run r7")  # noqa: E731 - while the question stands
    code = run_to_end(desk, "reap", lambda: reap_with(desk, order, Reaper(desk.cloud, stored.terraform), began))  # type: ignore[arg-type]  # as above
    assert (code, len(desk.cloud.things), stored.order, stored.forgotten) == (ExitCode.PERSON_NEEDED, 11, [], False)


def test_locks_that_a_killed_terraform_left_are_told() -> None:
    desk = make_desk()
    stored = made(desk)
    order = Order([lambda: [stored.left(free=lambda: ("the lock s3://states/x",))]])
    reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None)  # type: ignore[arg-type]  # as above
    assert "removed: the lock s3://states/x" in desk.notes()


def test_credentials_that_are_refused_end_it() -> None:
    desk = make_desk()
    stored = made(desk)
    desk.cloud.calls.faults = [Fault(CredentialsRefused("expired", code="ExpiredToken"), "sweeper.remove.instance")]
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert stored.order == []


def test_a_request_to_end_ends_it_between_two_things() -> None:
    desk = make_desk()
    stored = made(desk)
    desk.signals.request()
    assert run(desk, stored) is ExitCode.INTERRUPTED
    assert (stored.order, stored.forgotten) == ([], False)


def test_what_terraform_says_of_its_work_is_told() -> None:
    desk = make_desk()
    for kind in ("note", "apply_complete", "refresh_start"):
        reaping._tell(desk, TerraformEvent(kind, f"a {kind}", "aws_vpc.this"))  # type: ignore[arg-type]  # as `reap` wires it
    assert [type(event) for event in desk.told] == [Noted, TerraformTold]
