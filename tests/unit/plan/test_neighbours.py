"""What a run over many blocks tells the run of each of them of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import UsageError
from immtf.model.block import OutputNeed
from immtf.model.environment import Deployed, Neighbours
from immtf.model.outputs import Output, Outputs
from immtf.plan.consumers import judge_unlisted
from immtf.plan.neighbours import as_text, before_each, by_then, consumers_of, read_neighbours
from tests.fakes.infrastructure import make_deployed, make_part

if TYPE_CHECKING:
    from pathlib import Path

BASE, WEB = make_part("base", "2"), make_part("web", "2", {"base": ">= 1"})
OLD_BASE, OLD_WEB, DNS = make_part("base", "1"), make_part("web", "1"), make_part("dns", "1", {"base": "1"})
WANTED = {"web": WEB, "base": BASE}


@pytest.mark.parametrize(
    ("command", "asked"),
    [("plan", ("dns", "web")), ("upgrade", ("dns", "web")), ("create", ("dns",)), ("destroy", ("dns",))],
    ids=["plan", "upgrade", "create", "destroy"],
)
def test_those_are_asked_that_require_it_or_will_by_then(command: str, asked: tuple[str, ...]) -> None:
    deployed = make_deployed(OLD_BASE, OLD_WEB, DNS)
    assert consumers_of(command, WANTED, deployed) == {"web": (), "base": asked}


@pytest.mark.parametrize(
    ("command", "version", "asked"),
    [("create", "2", ()), ("create", "1", ("old",)), ("destroy", "2", ("old",)), ("upgrade", "1", ())],
    ids=["a creation of the same", "a creation of another version", "a destruction", "an upgrade, where all were judged together"],
)
def test_one_that_tells_nothing_is_asked_where_it_may_be_broken(command: str, version: str, asked: tuple[str, ...]) -> None:
    """F46: and one that is needed by the block itself can't need it."""
    deployed = {
        **make_deployed(make_part("base", version, {"below": "1"})),
        "old": Deployed("old", problem="can't be read"),
        "below": Deployed("below", "1"),
    }
    assert consumers_of(command, {"base": BASE}, deployed) == {"base": asked}


def test_before_a_block_are_those_that_have_to_do_with_it_and_go_first() -> None:
    consumers = {"web": (), "base": ("dns", "web"), "far": ()}
    found = before_each({**WANTED, "far": make_part("far")}, consumers)
    assert found == {"web": {}, "base": {"web": Deployed("web", "2", {"base": ">= 1"})}, "far": {}}


@pytest.mark.parametrize(
    ("publishes", "later"),
    [(("id", "net", "size"), ("net", "size")), (("id",), ()), ((), ())],
    ids=["by then", "not even then", "not known"],
)
def test_what_a_producer_does_not_publish_rightly_yet_comes_with_its_upgrade(publishes: tuple[str, ...], later: tuple[str, ...]) -> None:
    values = {"id": Output("id", "x"), "net": Output("net", None), "size": Output("size", "big")}
    needs = (OutputNeed("id", "string"), OutputNeed("net"), OutputNeed("size", "number"), OutputNeed("none"))
    found, missing = by_then(Outputs("base", "there", "there", values, 3), Deployed("base", "2", {"dns": "1"}), needs, publishes)
    assert missing == later
    assert found.values["block"].value == {"name": "base", "version": "2", "requires": {"dns": "1"}}
    assert found.values["id"] == values["id"]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    before = {"base": Deployed("base", "2", {"dns": "1"})}
    told = Neighbours(("web",), listed=False, before=before, publishes={"base": frozenset({"block", "id"})})
    (tmp_path / "n").write_text(as_text(told))
    assert read_neighbours(tmp_path / "n") == told


@pytest.mark.parametrize("text", ["", "[]", '{"consumers": []}', '{"consumers": [], "listed": true, "before": {"a": {}}}'])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "n").write_text(text)
    with pytest.raises(UsageError, match="is no file of a run over many blocks"):
        read_neighbours(tmp_path / "n")


def test_where_nothing_can_be_listed_not_all_names_of_many_are_told() -> None:
    refusal = judge_unlisted([f"b{number}" for number in range(30)], "upgraded")
    assert refusal.check == "consumer-unknown"
    assert "perhaps one that requires b0, b1, b2 and 27 more" in refusal.what
    assert len(refusal.addresses) == 20
