"""What a block waits for, by what the run does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.waits import waits_for

THREE = {"base": [], "consul": ["base"], "service": ["base", "consul"]}
ORDER = ["base", "consul", "service"]


def test_what_is_required_is_made_first_and_destroyed_last() -> None:
    assert waits_for("create", THREE, ORDER) == {"base": set(), "consul": {"base"}, "service": {"base", "consul"}}
    assert waits_for("destroy", THREE, ORDER[::-1]) == {"service": set(), "consul": {"service"}, "base": {"service", "consul"}}


def test_what_changes_nothing_waits_for_nothing() -> None:
    for command in ("plan", "status"):
        assert waits_for(command, THREE, ORDER) == {"base": set(), "consul": set(), "service": set()}


def test_what_is_needed_through_a_block_that_is_no_part_of_the_run_is_waited_for() -> None:
    chain = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"]}
    assert waits_for("create", chain, ["a", "d"]) == {"a": set(), "d": {"a"}}
    assert waits_for("destroy", chain, ["d", "a"]) == {"a": {"d"}, "d": set()}


def test_what_is_required_and_nowhere_here_is_no_wait() -> None:
    assert waits_for("create", {"a": ["elsewhere"]}, ["a"]) == {"a": set()}


@given(data=st.data())
def test_a_block_waits_for_just_what_it_reaches_through_blocks_that_are_left_out(data: st.DataObject) -> None:
    names = [f"b{number}" for number in range(data.draw(st.integers(1, 9)))]
    requires = {name: data.draw(st.sets(st.sampled_from(names[:place]))) if place else set() for place, name in enumerate(names)}
    run = data.draw(st.sets(st.sampled_from(names)))

    def reached(name: str) -> set[str]:
        return {found for need in requires[name] for found in ({need} if need in run else reached(need))}

    assert waits_for("create", requires, sorted(run)) == {name: reached(name) for name in run}


def test_five_hundred_blocks_each_look_at_their_own_requirements_only() -> None:
    looks = 0

    class Counted(dict[str, list[str]]):
        def get(self, key: str, default: object = None) -> list[str]:  # type: ignore[override]  # a mapping's
            nonlocal looks
            looks += 1
            return super().get(key, default)  # type: ignore[arg-type,return-value]  # as above

    names = [f"b{number:03}" for number in range(500)]
    requires = Counted({name: names[max(0, place - 10) : place] for place, name in enumerate(names)})
    waits_for("create", requires, names)
    waits_for("create", requires, names[::7])
    assert looks <= 2 * 2 * (500 + 500 * 10), "more than twice for each block and each requirement, in each of the two runs"
