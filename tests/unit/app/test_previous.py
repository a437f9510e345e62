"""The container of a previous version: what it is given, how its end is judged, and what is left of it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters import tether
from immtf.adapters.lease import held_lease
from immtf.app import rehearsal
from immtf.app.closing import run_to_end
from immtf.app.ground import Ground
from immtf.app.leasing import Leases
from immtf.app.previous import PreviousContainer, identity, sweep
from immtf.app.rehearsal import Before
from immtf.errors import ExitCode, PreviousFailed, UsageError
from immtf.model.cloud import ImageChoice
from immtf.model.container import HOME, RUN, TETHER, ContainerImage, ContainerOrder
from immtf.model.events import RunHalted
from immtf.model.lease import Holder
from immtf.report.record import encode
from tests.fakes.containers import FakeContainers, Script
from tests.fakes.session import AWS, SimSession, make_session
from tests.fakes.simulation import OLD
from tests.fakes.world import make_empty

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = ContainerImage("consul-block:1.0.0", "sha256:1", {"immtf.block.directory": "/block/consul"})
HALTED = {"v": 1, "seq": 1, "at": "2026-01-01T00:00:00Z", "run": "r", "event": "run_halted"}
HOLDER = Holder(run="r1", who="eve@box", command="test-upgrade", pid=1, since="now")


def make(tmp_path: Path, script: Script, **target: object) -> tuple[SimSession, FakeContainers, PreviousContainer]:
    home = tmp_path / "home"
    place = {"directory": home / "labs/sim/environments/consul", "home": home, **target}
    Path(str(place["directory"])).mkdir(parents=True)
    session = make_session(make_empty(), **place)
    engine = FakeContainers(session.clock, {IMAGE.reference: IMAGE}, script=script)
    old = tmp_path / "old"
    old.mkdir()
    (old / "variables.tf").write_text('variable "size" {}\nvariable "password" {}\n')
    return session, engine, PreviousContainer(engine, IMAGE, replace(session.block, version="1.0.0", terraform=old))


def watch(engine: FakeContainers, look: Callable[[ContainerOrder], None]) -> None:
    """Look at each container as it starts."""
    start = engine.start

    def started(order: ContainerOrder) -> str:
        look(order)
        return start(order)

    engine.start = started  # type: ignore[method-assign]  # the fake's own, seen from outside


def test_in_the_lab_it_works_on_this_run_s_own_directory(tmp_path: Path) -> None:
    session, engine, container = make(tmp_path, Script(after_s=3))
    session.variables = {"size": 20, "password": "hidden-word", "of_another_block": 1}
    seen: list[ContainerOrder] = []

    def look(order: ContainerOrder) -> None:
        seen.append(order)
        (path,) = (word.removeprefix("--var-file=") for word in order.arguments if word.startswith("--var-file"))
        assert json.loads(Path(path).read_text()) == {"size": 20, "password": "hidden-word"}
        assert Path(path).stat().st_mode & 0o077 == 0
        assert tether.is_held(Path(order.environment[tether.VARIABLE]))

    watch(engine, look)
    container.create(session, ImageChoice(OLD, "1.0.0"))
    (order,) = seen
    home = str(session.target.home.resolve())
    assert order.arguments[:6] == ("create", "/block/consul", "--yes", "--output=json", f"--home={home}", "--lab")
    assert {"--lab-running", "--lab-name=sim", f"--image={OLD}"} <= set(order.arguments)
    assert (order.mounts, order.read_only, order.host_network) == ((home,), (), True)
    assert order.labels == {RUN: "r1", HOME: identity(session.target.home), TETHER: "labs/sim/environments/consul/tether"}
    assert set(order.environment) == {tether.VARIABLE}, "nothing of the account that this process may have"
    assert not any("hidden-word" in word for word in order.arguments)
    directory = session.target.directory
    assert directory is not None
    assert (engine.there, list(directory.iterdir())) == ({}, [])
    assert session.ledger.elsewhere_s == pytest.approx(3, abs=1)


def test_on_aws_it_gets_the_credentials_and_a_network_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").touch()
    process = {**AWS, "HOME": str(tmp_path), "AWS_CONFIG_FILE": "/nowhere/config"}
    session, _, container = make(tmp_path, Script(), cloud="aws", process=process)
    order = container.order(session, None, tether_file=tmp_path / "t", variables=None)
    file = str(tmp_path / ".aws/credentials")
    assert order.environment == {
        **AWS,
        "AWS_CONFIG_FILE": "/nowhere/config",
        "AWS_SHARED_CREDENTIALS_FILE": file,
        tether.VARIABLE: str(tmp_path / "t"),
    }
    assert (order.read_only, order.host_network, order.arguments[-1]) == ((file,), False, "--environment=sim")


def test_it_has_the_lease_for_as_long(tmp_path: Path) -> None:
    session, engine, container = make(tmp_path, Script())
    lease = tmp_path / "lease"

    def look(_order: ContainerOrder) -> None:
        with held_lease(lease, {"run": "theirs"}):
            pass

    watch(engine, look)
    with held_lease(lease, {"run": "r1"}) as mine:
        session.leases = Leases(HOLDER, mine)
        container.create(session, None)
        session.leases.confirm()


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (Script(code=20), 20, "exit code 20: a gate did not hold, and it stopped at a safe point"),
        (Script(code=2), 1, "exit code 2: it does not take what it was called with: its immtf may be too old for this one"),
        (Script(code=137, out_of_memory=True), 1, "exit code 137: it ran out of memory"),
        (
            Script([(0, encode({**HALTED, "what": "no quorum", "where": "server", "safe": "", "next": "", "exit_code": 24}))], code=24),
            24,
            "exit code 24: a person is needed: server: no quorum",
        ),
        (
            Script(after_s=None, on_term=(21, 1)),
            1,
            "it was ended after its limit of 3600 s, with exit code 21: it was asked to end (SIGTERM), and stopped at a safe point",
        ),
    ],
    ids=["gate", "usage", "memory", "halted", "hangs"],
)
def test_one_that_fails_ends_the_test_in_words_with_nothing_left(tmp_path: Path, script: Script, code: int, words: str) -> None:
    session, engine, container = make(tmp_path, script)
    before = Before(block=container.block, container=container)
    assert run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, before, None, Ground())) == code
    halted = next(event for event in session.told if isinstance(event, RunHalted))
    assert words in halted.what
    assert (halted.where, engine.there) == (IMAGE.reference, {})
    assert session.opened[-1] == session.opened[0], "opened anew for the clean-up: the state may be another Terraform's"


def test_a_wish_to_end_is_an_interruption(tmp_path: Path) -> None:
    session, engine, container = make(tmp_path, Script(after_s=None, on_term=(21, 5)))
    session.patience = replace(session.patience, cancel=session.signals)
    session.scene.sim.clock.after(10, session.signals.request)
    before = Before(block=container.block, container=container)
    code = run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, before, None, Ground()))
    assert (code, engine.there) == (ExitCode.INTERRUPTED, {})


def test_containers_of_dead_runs_are_swept_and_no_others(tmp_path: Path) -> None:
    session, engine, _ = make(tmp_path, Script(after_s=None, on_term=None))
    clock, home, told = session.clock, session.target.home, []
    for name, labels in {
        "dead": {HOME: identity(home), TETHER: "gone"},
        "alive": {HOME: identity(home), TETHER: "held"},
        "elsewhere": {HOME: "1:2", TETHER: "gone"},
    }.items():
        engine.start(ContainerOrder(image_id=IMAGE.image_id, arguments=(), labels={RUN: name, **labels}))
    with tether.held(home / "held"):
        sweep(engine, home, told.append, limit_s=30, monotonic=clock.monotonic, sleep=clock.sleep)
    assert told == ["removed a container of run dead, which was killed"]
    assert engine.removed == ["c0"]
    assert clock.monotonic() == pytest.approx(30, abs=2)
    sweep(engine, tmp_path / "no-home", told.append)
    assert len(told) == 1


@pytest.mark.parametrize("code", [0, 1])
def test_a_state_in_an_older_version_s_place_is_put_where_this_one_looks(tmp_path: Path, code: int) -> None:
    """On AWS, where an environment had but one state; also after a failure, so that what was made is destroyed."""
    kept = tmp_path / "home/environments/t-0a1b2c3d"
    session, engine, container = make(tmp_path, Script(after_s=3, code=code), directory=kept / "consul", cloud="aws", process=AWS)
    watch(engine, lambda _order: (kept / "terraform.tfstate").write_text("made by it") and None)
    with nullcontext() if code == 0 else pytest.raises(PreviousFailed):
        container.create(session, None)
    assert (kept / "consul/terraform.tfstate").read_text() == "made by it"
    assert not (kept / "terraform.tfstate").exists()


def test_an_environment_whose_state_is_no_file_is_not_made_by_a_container(tmp_path: Path) -> None:
    session, engine, container = make(tmp_path, Script(), override={"terraform": {"backend": {"s3": {}}}})
    with pytest.raises(UsageError, match="knows no definition"):
        container.create(session, None)
    assert engine.left(RUN) == []
