"""Who is asked whether it accepts what becomes of a block, alone and in a run over many, on states in a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app.producers import meet
from immtf.app.upgrade import plan as use_plan
from immtf.errors import ExitCode, ImmtfError, PlanLater, PlanRefused, VersionsUnresolved
from immtf.model.block import Block, OutputNeed
from immtf.model.environment import Deployed, Neighbours
from immtf.model.events import CheckOverridden, Noted
from immtf.model.outputs import Outputs
from immtf.plan.checks import Overrides
from immtf.run.gates import Patience
from tests.fakes.session import SimSession
from tests.unit.app.states import Environment, make_consumer, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.run.world import World

BASE, WEB = "the state of block base", "the state of block web"


@pytest.fixture
def here(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


@pytest.mark.parametrize("command", ["plan", "create", "upgrade"])
def test_a_deployed_consumer_that_does_not_accept_what_comes_refuses_it(here: Environment, command: str) -> None:
    """F46."""
    base = make_consumer(here, name="base", requires="")
    here.put("base", "0.9.0")
    here.put("consul", "1.0.0", {"base": "~> 0.9"})
    with pytest.raises(VersionsUnresolved, match=r"\[consumer-version\] block consul 1.0.0 is deployed and accepts base ~> 0.9"):
        meet(here.session(base, command), base, here.read)


def test_where_the_version_stays_no_consumer_is_asked(here: Environment) -> None:
    base = make_consumer(here, name="base", requires="")
    here.put("base", "1.0.0")
    here.put("consul", "1.0.0", {"base": "~> 0.9"})
    meet(here.session(base, "upgrade"), base, here.read)
    assert here.asked == ["base"]


def test_no_block_is_destroyed_under_one_that_requires_it(here: Environment) -> None:
    """F44, F46: nor where it can't be read whether it does."""
    base = make_consumer(here, name="base", requires="")
    here.put("base", "1.0.0")
    here.put("dns", "1.0.0")
    here.states["gone"] = Outputs("gone", "", "empty")
    meet(here.session(base, "destroy"), base, here.read)
    here.put("consul", "1.0.0", {"base": "~> 1.0"})
    with pytest.raises(PlanRefused, match=r"\[consumer-deployed\] block consul 1.0.0 is deployed and requires base"):
        meet(here.session(base, "destroy"), base, here.read)
    here.states["consul"] = ImmtfError("can't be read", where="the state of block consul")
    with pytest.raises(PlanRefused, match=r"\[consumer-unknown\] block consul .*the state of block consul can't be read"):
        meet(here.session(base, "destroy"), base, here.read)


@pytest.mark.parametrize(("command", "error"), [("upgrade", VersionsUnresolved), ("plan", VersionsUnresolved), ("destroy", PlanRefused)])
def test_where_the_states_can_not_be_listed_that_refuses_it_and_may_be_passed_over(
    here: Environment, command: str, error: type[ImmtfError]
) -> None:
    """F46: unknown is not taken for well."""
    base = make_consumer(here, name="base", requires="")
    here.put("base", "0.9.0")
    here.listed = False
    with pytest.raises(error, match=r"\[consumer-unknown\] block base would be .*can't be listed in this environment") as refused:
        meet(here.session(base, command, is_test=False), base, here.read)
    assert "--allow=consumer-unknown" in refused.value.next
    session = here.session(base, command, is_test=False)
    session.patience = Patience(session.clock, session.signals, session.tell, Overrides({"consumer-unknown": "I looked"}))
    meet(session, base, here.read)
    assert [event.reason for event in session.told if isinstance(event, CheckOverridden)] == ["I looked"]


@pytest.mark.parametrize(
    ("command", "more"),
    [("destroy", {"is_test": True}), ("test-upgrade", {"generated": True}), ("create", {"is_test": False})],
    ids=["thrown away", "nobody else's", "not deployed"],
)
def test_where_the_states_can_not_be_listed_and_nobody_is_broken_it_is_told(here: Environment, command: str, more: dict[str, bool]) -> None:
    """F46."""
    base = make_consumer(here, name="base", requires="")
    if command != "create":
        here.put("base", "0.9.0")
    here.listed = False
    session = here.session(base, command, **more)
    meet(session, base, here.read)
    assert warnings(session) == [
        "which blocks are deployed can't be listed in this environment, so none was asked whether it requires base"
    ]


def test_of_a_run_over_many_only_those_are_asked_that_may_require_it(here: Environment) -> None:
    base = make_consumer(here, name="base", requires="")
    for name in ("base", "consul", "dns", "web"):
        here.put(name, "0.9.0")
    here.put("consul", "1.0.0", {"base": "~> 0.9"})
    session = here.session(base, "upgrade")
    session.neighbours = Neighbours(("consul",))
    with pytest.raises(VersionsUnresolved, match=r"\[consumer-version\] block consul"):
        meet(session, base, here.read)
    assert sorted(here.asked) == ["base", "consul"]


def test_a_plan_is_judged_by_what_is_deployed_by_its_turn(here: Environment) -> None:
    """F46: the consumer that goes first accepts what its deployed version doesn't, and the producer is then of a version in range."""
    base = make_consumer(here, name="base", requires="")
    here.put("base", "0.9.0")
    here.put("consul", "1.0.0", {"base": "~> 0.9"})
    session = here.session(base, "plan")
    session.neighbours = Neighbours(("consul",), before={"consul": Deployed("consul", "1.1.0", {"base": ">= 0.9"})})
    meet(session, base, here.read)
    assert here.asked == ["base"]

    block = make_consumer(here, 'variable "base" {}\n', requires="~> 1.0")
    session = here.session(block, "plan")
    session.neighbours = Neighbours(before={"base": Deployed("base", "1.0.0", {})})
    met = meet(session, block, here.read)
    assert met.variables["base"]["block"]["version"] == "1.0.0"
    assert met.later == {"base"}
    assert Noted("info", "required and deployed: base 1.0.0 by its turn") in session.told


def test_what_only_the_upgrade_of_another_publishes_is_not_known_before(here: Environment) -> None:
    block = make_consumer(here, 'variable "base" {}\n', OutputNeed("network", "string"))
    here.put("base", "2.0.0", network=["of another type"])
    session = here.session(block, "plan")
    then = Neighbours(before={"base": Deployed("base", "2.1.0", {})}, publishes={"base": frozenset({"block", "network"})})
    session.neighbours = then
    with pytest.raises(PlanLater, match=r"known only when base 2.1.0 is deployed: it uses network of it"):
        meet(session, block, here.read)
    session.neighbours = replace(then, publishes={})
    with pytest.raises(VersionsUnresolved, match="producer-output"):
        meet(session, block, here.read)


def test_a_plan_that_hangs_on_another_upgrade_is_told_and_pending(here: Environment) -> None:
    session = here.session(make_consumer(here), "plan")

    class Hanging(SimSession):
        def open(self, image: object, *, block: Block | None = None) -> World:
            del image, block
            raise PlanLater("known only when base 2.1.0 is deployed", where="block web", next="upgrade base")

    session.__class__ = Hanging
    assert use_plan(session, None, ()).exit_code == ExitCode.CHANGES_PENDING
    assert warnings(session) == ["block web: known only when base 2.1.0 is deployed; upgrade base"]
