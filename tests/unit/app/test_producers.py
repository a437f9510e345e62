"""What a session asks of its producers, on states in a table; the real reader is in tests/contract."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from immtf.app.producers import meet
from immtf.errors import ImmtfError, Interrupted, UsageError, VersionsUnresolved
from immtf.model.block import OutputNeed
from immtf.model.events import CheckOverridden, Noted
from immtf.model.outputs import Output, Outputs
from immtf.plan.checks import Overrides
from immtf.run.gates import Patience
from tests.fakes.session import AWS
from tests.unit.app.states import Environment, make_consumer, warnings

BASE, WEB = "the state of block base", "the state of block web"


@pytest.fixture
def here(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_what_a_called_module_reads_by_itself_is_refused_before_anything_is_read(here: Environment) -> None:
    here.put("base")
    consumer = make_consumer(here, 'module "m" {\n  source = "./m"\n}\n')
    (consumer.terraform / "m").mkdir()
    (consumer.terraform / "m/main.tf").write_text('data "terraform_remote_state" "base" {}\n')
    with pytest.raises(UsageError, match="reads the state of block base where its own HCL says"):
        meet(here.session(consumer, "create"), consumer, here.read)
    assert here.asked == []
    meet(here.session(consumer, "destroy"), consumer, here.read)  # what it made has to go all the same


@pytest.mark.parametrize("command", ["plan", "create", "upgrade", "rollback", "test-create", "test-upgrade", "destroy", "status"])
def test_where_no_states_are_known_nothing_is_asked(here: Environment, command: str) -> None:
    session = here.session(make_consumer(here), command)
    session.target = replace(session.target, states=None)
    met = meet(session, session.block, here.read)
    assert (met.variables, met.override, met.known, here.asked) == ({}, {}, frozenset(), [])


def test_what_the_producer_publishes_is_passed_on_and_its_state_is_where_the_data_source_reads(here: Environment) -> None:
    block = make_consumer(here, 'variable "base" {}\ndata "terraform_remote_state" "base" {}\n')
    here.put("base", network="net-1")
    session = here.session(block, "create")
    met = meet(session, block, here.read)
    assert met.variables["base"]["network"] == "net-1"
    assert met.known == {"base"}
    assert [event for event in session.told if isinstance(event, Noted)] == [Noted("info", "required and deployed: base 2.1.0")]
    assert met.override["data"]["terraform_remote_state"]["base"] == {
        "backend": "s3",
        "workspace": "default",
        "config": {"bucket": "states", "key": "x/base/$${y}", "use_lockfile": True},
        "defaults": None,
    }
    assert set(here.asked) == {"base", "web"}


@pytest.mark.parametrize("command", ["plan", "create", "upgrade", "rollback", "test-create", "test-upgrade"])
def test_what_makes_or_changes_is_refused_before_anything(here: Environment, command: str) -> None:
    """F46: exit code 30."""
    block = make_consumer(here)
    here.put("base", "3.0.0")
    session = here.session(block, command)
    with pytest.raises(VersionsUnresolved, match=r"nothing was touched: \[requires-version\] the state of block base is block base 3.0.0"):
        meet(session, block, here.read)
    assert session.scene.sim.calls.log == []


def test_the_next_command_names_the_producer_that_is_beside_it(here: Environment) -> None:
    """F46."""
    block = make_consumer(here)
    with pytest.raises(VersionsUnresolved) as refused:
        meet(here.session(block, "create"), block, here.read)
    assert refused.value.next == "first: `immtf create DIRECTORY_OF_base --environment x`"
    make_consumer(here, name="base", requires="")
    with pytest.raises(VersionsUnresolved) as refused:
        meet(here.session(block, "create"), block, here.read)
    assert refused.value.next.endswith("blocks/base --environment x`")


def test_a_version_that_is_not_known_may_be_passed_over_and_the_reason_is_told(here: Environment) -> None:
    block = make_consumer(here)
    here.states["base"] = Outputs("base", BASE, "there", {}, 1)
    session = here.session(block, "create")
    session.patience = Patience(session.clock, session.signals, session.tell, Overrides({"requires-unknown": "older"}))
    assert meet(session, block, here.read).known == {"base"}
    assert [event.reason for event in session.told if isinstance(event, CheckOverridden)] == ["older"]


def test_a_producer_that_can_not_be_read_is_never_taken_for_an_absent_one(here: Environment) -> None:
    """F46."""
    block = make_consumer(here)
    here.states["base"] = ImmtfError("can't be read: no route", where=BASE)
    with pytest.raises(ImmtfError, match="can't be read: no route"):
        meet(here.session(block, "create"), block, here.read)


def test_a_clean_up_does_not_hang_on_a_producer(here: Environment) -> None:
    """F43: what can't be had is told, and left out."""
    block = make_consumer(here, 'variable "base" {}\n')
    here.states["base"] = ImmtfError("can't be read: no route", where=BASE)
    here.states["web"] = ImmtfError("can't be read: no route", where=WEB)
    session = here.session(block, "destroy")
    assert meet(session, block, here.read).variables == {}
    assert warnings(session) == [f"what block base publishes is not passed on: {BASE} can't be read: no route"]


@pytest.mark.parametrize("version", ["2.1.0", "3.0.0"])
def test_a_destroy_gets_what_is_there_and_is_not_judged_by_the_range(here: Environment, version: str) -> None:
    block = make_consumer(here, 'variable "base" {}\n', OutputNeed("network"))
    here.put("base", version, network="net-1")
    assert meet(here.session(block, "destroy"), block, here.read).variables == {"base": {"network": "net-1"}}


def test_a_status_asks_nobody_and_knows_where_the_states_are(here: Environment) -> None:
    block = make_consumer(here, 'data "terraform_remote_state" "base" {}\n')
    met = meet(here.session(block, "status"), block, here.read)
    assert (list(met.override["data"]["terraform_remote_state"]), here.asked) == (["base"], [])


def test_an_interrupt_while_states_are_read_ends_the_run(here: Environment) -> None:
    block = make_consumer(here)
    here.states["base"] = Interrupted("asked to end")
    for command in ("create", "destroy"):
        with pytest.raises(Interrupted):
            meet(here.session(block, command), block, here.read)
    block = replace(block, requires={})
    here.states = {"other": Interrupted("asked to end")}
    with pytest.raises(Interrupted):
        meet(here.session(block, "destroy"), block, here.read)


def test_sensitive_values_are_hidden_before_anything_is_told(here: Environment) -> None:
    """F49."""
    block = make_consumer(here)
    here.put("base", "3.0.0")
    found = here.states["base"]
    assert isinstance(found, Outputs)
    here.states["base"] = replace(found, values={**found.values, "key": Output("key", "s3cr3t", sensitive=True)})
    session, hidden = here.session(block, "create"), list[Any]()
    session.hide = hidden.extend
    with pytest.raises(VersionsUnresolved):
        meet(session, block, here.read)
    assert hidden == ["s3cr3t"]


def test_what_is_given_by_hand_is_not_passed_on_a_second_time_nor_contradicted(here: Environment) -> None:
    block = make_consumer(here, 'variable "network" {}\n', OutputNeed("network", variable="network"))
    here.put("base", network="net-1")
    for place, given in (("variables", {"network": "net-1"}), ("process", {**AWS, "TF_VAR_network": "net-1"})):
        session = here.session(block, "create", **{place: given})
        assert meet(session, block, here.read).variables == {}
    session = here.session(block, "create")
    session.variables = {"network": "net-2"}
    with pytest.raises(VersionsUnresolved, match=r"\[producer-variable\] var.network is given by hand"):
        meet(session, block, here.read)


def test_mocks_are_for_a_plan_and_told(here: Environment) -> None:
    hcl = 'variable "base" {}\ndata "terraform_remote_state" "base" {}\n'
    block = make_consumer(here, hcl, OutputNeed("network", mock="net-0"))
    session = here.session(block, "plan")
    met = meet(session, block, here.read)
    assert met.variables == {"base": {"network": "net-0"}}
    source = met.override["data"]["terraform_remote_state"]["base"]
    path = Path(source["config"]["path"])
    assert (source["backend"], path.stat().st_mode & 0o777) == ("local", 0o600)
    assert json.loads(path.read_text())["outputs"]["network"]["value"] == "net-0"
    assert warnings(session) == ["block base isn't deployed: mocks stand for its outputs, in this plan alone"]
    with pytest.raises(VersionsUnresolved, match="producer-absent"):
        meet(here.session(block, "create"), block, here.read)


def test_an_output_without_a_place_in_the_hcl_is_told(here: Environment) -> None:
    block = make_consumer(here, "", OutputNeed("network"))
    here.put("base", network="net-1")
    session = here.session(block, "create")
    meet(session, block, here.read)
    assert warnings(session) == [
        "base.network is used by its file, and the HCL of web declares neither a variable nor a data source for it"
    ]


def test_a_glance_is_no_command_s_and_the_command_is_what_it_was(here: Environment) -> None:
    """So that a test may look whether its environment is empty before its producers are made."""
    session = here.session(make_consumer(here), "test-create")
    session.glance()
    assert (session.commands, session.command) == ([""], "test-create")


def test_what_lies_beside_the_block_and_is_no_file_of_a_block_does_not_stop_it(here: Environment) -> None:
    block = make_consumer(here)
    (here.tmp / "blocks" / "aaa" / "immtf.yaml").mkdir(parents=True)
    (here.tmp / "blocks" / "bbb").mkdir()
    (here.tmp / "blocks" / "bbb" / "immtf.yaml").write_bytes(b"block: base\n" + b"#" * 1_000_000)
    with pytest.raises(VersionsUnresolved) as refused:
        meet(here.session(block, "create"), block, here.read)
    assert refused.value.next == "first: `immtf create DIRECTORY_OF_base --environment x`"
