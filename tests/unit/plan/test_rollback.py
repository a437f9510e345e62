"""The way back of one node, as a decision: which image, whether its data can be read there, and who else has to be well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import UsageError
from immtf.model.service import Answer
from immtf.model.snapshot import NodeNow, Snapshot
from immtf.model.verdict import Verdict
from immtf.plan.image import Image
from immtf.plan.rollback import FORMAT_TAG, doubts, image_before, judge_downgrade, judge_format, judge_others, was_replaced
from tests.fakes.builders import A, B, C, make_instance, make_place, make_view, make_volume

LET_OUT = {"immtf:promoted": "2026-02-01T00:00:00Z"}
KNOWN = [Image(f"ami-{minor}", "consul", f"1.{minor}.0", f"2026-01-0{minor + 1}T00:00:00Z", tags=LET_OUT) for minor in range(3)]
FINE, WRONG = Verdict(held=True, reason=""), Verdict(held=False, reason="the mark names another node", final=True)


@pytest.mark.parametrize(
    ("own", "others", "wanted"),
    [
        ("ami-2", ("ami-0", "ami-0"), "ami-0"),  # what the others run, also where a version lies between
        ("ami-2", ("ami-2", "ami-0"), "ami-0"),  # the others don't agree: what the one runs that is still to come
        ("ami-2", ("ami-1", "ami-0"), "ami-1"),
        ("ami-2", ("ami-0", ""), "ami-0"),  # one of them has no instance
        ("", ("ami-1", "ami-1"), "ami-1"),  # the node has none
        ("ami-0", ("ami-9", "ami-9"), "ami-9"),  # an image without a version, and others run it
    ],
)
def test_the_image_before(own: str, others: tuple[str, str], wanted: str) -> None:
    assert image_before(A, {A: own, B: others[0], C: others[1]}, KNOWN, "consul") == wanted


@pytest.mark.parametrize(
    ("own", "others", "way"),
    [
        ("ami-2", ("ami-2", "ami-2"), "--image ID|VERSION, e.g. --image=1.1.0"),  # the last of three, or one that went back already
        ("ami-1", ("ami-1", "ami-2"), "--image ID|VERSION, e.g. --image=1.0.0"),  # it went back already
        ("ami-0", ("ami-0", "ami-0"), "--image ID|VERSION"),  # there is none below
        ("ami-9", ("ami-1", "ami-2"), "--image ID|VERSION"),  # an image without a version
        ("", ("ami-1", "ami-2"), "--image ID|VERSION"),
    ],
)
def test_an_image_that_no_other_node_runs_has_to_be_named(own: str, others: tuple[str, str], way: str) -> None:
    """Else a rollback that was killed after its instance was made would go back one version more when it is asked for again."""
    with pytest.raises(UsageError) as caught:
        image_before(A, {A: own, B: others[0], C: others[1]}, KNOWN, "consul")
    assert caught.value.next == f"say it with {way}"


def tagged(text: str | None) -> Image | None:
    """Return an image with this tag; "" has none, None can't be seen."""
    return None if text is None else replace(KNOWN[0], tags={FORMAT_TAG: text} if text else {})


@pytest.mark.parametrize(
    ("ran", "to", "refused"),
    [("2", "1", True), ("2", "", True), ("", "1", True), (None, "1", True), ("1", " 1 ", False), ("", "", False), (None, "", False)],
)
def test_data_of_another_format_do_not_go_back(ran: str | None, to: str, refused: bool) -> None:
    """F36: what an old image can't read it must not get; told by one image only is told differently."""
    refusals, note = judge_format(A, tagged(ran), tagged(to))
    assert [refusal.check for refusal in refusals] == (["data-format"] if refused else [])
    assert bool(note) is (not refused and not to.strip())


@pytest.mark.parametrize(
    ("ran", "to", "refused"),
    [("1.1.0", "1.0.0", True), ("1.0.0", "1.1.0", False), ("1.0.0", "1.0.0", False), ("1.1.0", "", False), ("word", "1.0.0", False)],
)
def test_an_upgrade_to_an_older_image_is_a_rollback(ran: str, to: str, refused: bool) -> None:
    """F36: only what is surely older is judged so; data move on to a new format in every upgrade."""
    before, after = (Image(text, "consul", text, "", tags={FORMAT_TAG: text}) for text in (ran, to))
    assert [refusal.check for refusal in judge_downgrade(A, before, after)] == (["data-format"] if refused else [])
    assert judge_downgrade(A, None, after) == judge_downgrade(A, before, None) == []
    assert judge_downgrade(A, replace(before, family="other"), after) == []


def make_node(key: str, state: str = "running") -> NodeNow:
    volume = make_volume((f"i-{key}", "attached"), volume_id=f"vol-{key}")
    return NodeNow(make_place(key), make_instance(state, f"i-{key}"), {"data": volume})


def test_the_node_itself_is_not_counted() -> None:
    nodes = {A: make_node("a", "stopped"), B: make_node("b"), C: make_node("c")}
    view = make_view(answers={"a": Answer(problem="connection refused")}, leader="10.0.0.2")
    assert judge_others(Snapshot(nodes, services={"server": view}), A) == []


def test_another_node_that_is_away_refuses_the_rollback() -> None:
    """F35."""
    nodes = {A: make_node("a"), B: make_node("b", "stopped"), C: make_node("c")}
    (refusal,) = judge_others(Snapshot(nodes), A)
    assert (refusal.check, refusal.addresses) == ("spare", ("server/b",))


def test_another_node_that_is_sick_refuses_the_rollback() -> None:
    """F35."""
    nodes = {node: make_node(node.key) for node in (A, B, C)}
    view = make_view(answers={"c": Answer(problem="connection refused")})
    (refusal,) = judge_others(Snapshot(nodes, services={"server": view}), A)
    assert refusal.addresses == ("server/c",)


def test_only_a_contradiction_is_a_doubt() -> None:
    """F18: a node whose data contradict goes nowhere; one that only can't be asked may go back, and is proven there."""
    now, silent = make_node("a"), Verdict(held=False, reason="the agent does not answer")
    assert doubts(now, "ami-old", FINE) == doubts(now, "", silent) == ""
    assert doubts(now, "ami-old", WRONG) == "the mark names another node"
    assert "is made from ami-old, wanted ami-new" in doubts(now, "ami-new", silent)


def test_a_node_is_replaced_when_its_instance_is_gone_from_it() -> None:
    before = make_node("a")
    assert not was_replaced(before, before)
    assert was_replaced(before, replace(before, instance=None))
    assert was_replaced(before, replace(before, instance=make_instance(instance_id="i-next")))
    assert was_replaced(before, make_node("a", "terminated"))
    assert not was_replaced(replace(before, instance=None), before)
