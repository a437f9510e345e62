"""What a reap holds, and what it leaves alone: what others have in hand, and what could not be looked at."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.app.imaging.session import run_to_end
from immtf.app.reaping import Order, Reaper, reap_with
from immtf.errors import (
    CloudFailed,
    CredentialsRefused,
    ExitCode,
    ImmtfError,
    Interrupted,
    LeaseHeld,
    PersonNeeded,
)
from immtf.model.events import RunHalted
from immtf.plan.reaping import GRACE_S
from tests.fakes.network import whole_network
from tests.unit.app.reaped import NAME, OTHER, FakeBare, Stored, made, make_desk, run, tags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.model.reaping import Left, StoredState


def test_a_lock_that_a_terraform_may_hold_keeps_everything_of_its_environment() -> None:
    """F43: while another one goes."""
    desk = make_desk()
    stored, other = made(desk), Stored(desk, OTHER)

    def free() -> tuple[str, ...]:
        raise LeaseHeld("a lock of Terraform's may be held still: of ada@there", where="s3://states/x")

    order = Order([lambda: [stored.left(free=free), other.left()]])
    code = run_to_end(desk, "reap", lambda: reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None))  # type: ignore[arg-type]  # as above
    assert (code, len(desk.cloud.things), stored.forgotten, other.forgotten) == (ExitCode.PERSON_NEEDED, 11, False, True)
    (halt,) = (event for event in desk.told if isinstance(event, RunHalted))
    assert f"environment {NAME}: s3://states/x: a lock of Terraform's may be held still: of ada@there" in halt.what


def test_a_lease_that_is_lost_in_the_midst_keeps_what_is_there() -> None:
    """F43: as of a machine that was suspended."""
    desk = make_desk()
    stored = made(desk)
    desk.cloud.calls.watch = lambda: setattr(stored, "lost", "taken over") if desk.cloud.calls.log[-1] == "sweeper.remove.volume" else None
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert {"sg-x", "vpc-x"} & set(desk.cloud.things) == set(), "its states went before"
    assert "snap-x" in desk.cloud.things
    assert not stored.forgotten


def test_what_is_found_at_two_places_is_one_environment() -> None:
    desk = make_desk()
    stored = made(desk)
    assert run(desk, stored, stored) is ExitCode.DONE
    assert stored.holds == ["taken", "given back"]


def unreadable() -> list[Left]:
    raise CloudFailed("no", code="AccessDenied", where="s3://theirs")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_place_that_can_not_be_read_ends_in_an_error_when_all_else_is_done(dry_run: bool) -> None:
    """F43: an error, and what is only known by tags is left: its record may be there."""
    desk = make_desk()
    stored = made(desk)
    desk.cloud.add("vol-unknown", "volume", {**tags(desk, OTHER), "immtf:expires": "2020-01-01T00:00:00Z"})
    order = Order([unreadable, lambda: [stored.left()]], dry_run=dry_run)
    with pytest.raises(ImmtfError, match=r"not all could be looked at: s3://theirs: no") as caught:
        reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None)  # type: ignore[arg-type]  # as above
    assert caught.value.exit_code is ExitCode.ERROR
    assert set(desk.cloud.things) == {"vol-unknown"} or dry_run
    assert any("volume vol-unknown is left" in note and "may be where nothing could be read" in note for note in desk.notes())
    assert stored.forgotten is not dry_run


def test_a_lease_that_can_not_be_asked_keeps_the_environment_and_no_other() -> None:
    """F43: unknown is not dead."""
    desk = make_desk()
    stored, other = made(desk), Stored(desk, OTHER)
    order = Order([lambda: [stored.left(hold=unreadable), other.left()], unreadable])
    with pytest.raises(PersonNeeded, match=f"environment {NAME}: s3://theirs: no; s3://theirs: no"):
        reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None)  # type: ignore[arg-type]  # as above
    assert (len(desk.cloud.things), stored.forgotten, other.forgotten) == (11, False, True)


@pytest.mark.parametrize("error", [Interrupted("stopped as asked"), CredentialsRefused("expired", code="ExpiredToken")])
@pytest.mark.parametrize("at", ["place", "hold"])
def test_what_holds_for_all_ends_it(error: ImmtfError, at: str) -> None:
    desk = make_desk()
    stored = made(desk)

    def refuse() -> Any:
        raise error

    order = Order([refuse if at == "place" else lambda: [stored.left(hold=refuse)]])
    with pytest.raises(type(error)):
        reap_with(desk, order, Reaper(desk.cloud, stored.terraform), lambda _: None)  # type: ignore[arg-type]  # as above
    assert (len(desk.cloud.things), stored.held) == (11, False)


def test_what_bears_its_name_and_not_its_end_keeps_the_record() -> None:
    """F43: it is found by its name, and a person has to say."""
    desk = make_desk()
    stored = made(desk)
    desk.cloud.add("vol-x-2", "volume", {"immtf:environment": NAME, "immtf:class": "test"})
    assert run(desk, stored) is ExitCode.PERSON_NEEDED
    assert (set(desk.cloud.things), stored.forgotten) == ({"vol-x-2"}, False)
    (halt,) = (event for event in desk.told if isinstance(event, RunHalted))
    assert "there is still something that bears its name: volume vol-x-2" in halt.what


environments = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["test", "production"]),
        "life_s": st.sampled_from([-10_000.0, -1.0, 60.0]),
        "running": st.sampled_from(["", "run r7"]),
        "recorded": st.booleans(),
        "tagged": st.sampled_from(["test", "production"]),
    }
)


@settings(max_examples=40)
@given(st.lists(environments, max_size=4), st.integers(0, 40), st.booleans())
def test_whatever_there_is_and_whenever_it_is_killed_only_what_may_go_does(rows: list[dict[str, Any]], kill_at: int, blind: bool) -> None:
    """F43, F48: never production's, never what isn't past its time, never what somebody holds; and the next reap removes what was left."""
    desk = make_desk()
    stored = {f"t-{number:08x}": row for number, row in enumerate(rows)}
    lefts = {name: Stored(desk, name, life_s=row["life_s"], running=row["running"]) for name, row in stored.items()}
    for name, row in stored.items():
        whole_network(desk.cloud, name, {**tags(desk, name, row["life_s"]), "immtf:class": row["tagged"]})
        lefts[name].add("base", [f"vpc-{name}"] if row["recorded"] and row["tagged"] == "test" else [])

    def recorded() -> list[Left]:
        return [lefts[name].left(row["kind"]) for name, row in stored.items() if row["recorded"] and not lefts[name].forgotten]

    places = [recorded, *([unreadable] if blind else [])]

    def terraform(state: StoredState, document: Mapping[str, Any], directory: Path) -> FakeBare:
        return lefts[str(state.backend.config["path"]).split("/")[2]].terraform(state, document, directory)

    def again() -> None:
        with suppress(PersonNeeded, Interrupted, ImmtfError):
            reap_with(desk, Order(places), Reaper(desk.cloud, terraform), lambda _: None)  # type: ignore[arg-type]  # as above

    calls = desk.cloud.calls
    calls.watch = lambda: desk.signals.request() if len(calls.log) == kill_at else None
    again()
    desk.signals.reset()
    for _ in range(2):  # what a state could not be destroyed of goes by its tags, and the state is seen to be empty by the next one
        again()
    for name, row in stored.items():
        there = [key for key in desk.cloud.things if key.endswith(name)]
        by_record = row["recorded"] and row["kind"] == "test" and row["life_s"] < 0 and not row["running"]
        by_tag = row["tagged"] == "test" and row["life_s"] < 0
        may = by_tag and (by_record if row["recorded"] else row["life_s"] < -GRACE_S and not blind)
        assert (there == []) is may, (name, row, there)
        assert lefts[name].forgotten is (by_record and may)
        assert not lefts[name].held
