"""Every end of a run: its outcome and exit code, the halt with its next command, and one last event, whatever happened."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from immtf import errors
from immtf.app.closing import Outcome, run_to_end
from immtf.errors import CloudFailed, ExitCode, ImmtfError, Interrupted, LabFailed, TerraformFailed
from immtf.model.events import Noted, RunStarted, StatusTaken
from immtf.run.gates import check_cancel
from tests.fakes.calls import Fault
from tests.fakes.session import AWS, SimSession, make_session
from tests.fakes.world import FLAWS, make_empty, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.app.closing import Outcome as OutcomeType

CODES = {
    "ImmtfError": 1,
    "UsageError": 2,
    "ToolMissing": 1,
    "TerraformFailed": 1,
    "StalePlan": 1,
    "TerraformStuck": 1,
    "CloudFailed": 1,
    "CredentialsRefused": 24,
    "NoRoom": 24,
    "GuestFailed": 1,
    "LabFailed": 1,
    "PlanLater": 10,
    "PlanRefused": 24,
    "GateFailed": 20,
    "OthersFailed": 20,
    "Unproven": 20,
    "LeaseHeld": 22,
    "LeaseLost": 23,
    "PersonNeeded": 24,
    "VersionsUnresolved": 30,
    "Interrupted": 130,
    "ContainerFailed": 1,
    "PreviousFailed": 1,
    "BlocksFailed": 1,
}


def failing(error: BaseException) -> Callable[[], OutcomeType]:
    def body() -> OutcomeType:
        raise error

    return body


def opened(session: SimSession) -> SimSession:
    """Let the session have looked at its world already."""
    session.open(None).survey()
    return session


def test_every_error_of_the_tree_is_known_here() -> None:
    assert {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ImmtfError)} == set(CODES)


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_an_error_is_a_halt_with_its_exit_code(name: str, code: int) -> None:
    session = make_session(make_scene(3))
    error = getattr(errors, name)("what went wrong", where="somewhere", next="immtf upgrade")
    assert run_to_end(session, "upgrade", failing(error)) == code
    assert session.names() == ["RunStarted", "RunHalted", "RunFinished"]
    halt = session.halted
    assert (halt.what, halt.where, halt.next, halt.exit_code) == ("what went wrong", "somewhere", "immtf upgrade", code)
    assert halt.safe == "nothing was touched"
    assert (session.finished.outcome, session.finished.exit_code) == ("interrupted" if name == "Interrupted" else "halted", code)


@pytest.mark.parametrize(
    ("number", "times", "outcome", "code"),
    [(signal.SIGTERM, 1, "paused", 21), (signal.SIGINT, 1, "interrupted", 130), (signal.SIGTERM, 2, "interrupted", 130)],
)
def test_asked_to_end_by_a_signal(number: signal.Signals, times: int, outcome: str, code: int) -> None:
    """S1, S2: each request is said once, before the next event; only SIGTERM that ended in good order is a pause."""
    session = make_session(make_scene(3))

    def body() -> OutcomeType:
        for _ in range(times):
            session.signals.signal = number
            session.signals.request()
            session.tell(Noted("info", "one"))
            session.tell(Noted("info", "two"))
        check_cancel(session.patience, "server/a")
        raise AssertionError("it went on")

    assert run_to_end(session, "upgrade", body) == code
    assert (session.finished.outcome, session.finished.exit_code, session.halted.exit_code) == (outcome, code, code)
    said = [event.message for event in session.told if isinstance(event, Noted)]
    first = f"asked to end ({number.name}): the run goes on to the next point at which no node is away, and stops there"
    second = f"asked to end, again ({number.name}): at once, and Terraform gets one interrupt and its time"
    assert said == [first, "one", "two", second, "one", "two"][: 3 * times]


def test_a_run_that_ends_well() -> None:
    session = make_session(make_scene(3), process={**AWS, "USER": "eve", "HOSTNAME": "ci-7"})
    session.ledger.replaced |= {"server/a", "server/b"}
    session.ledger.kept |= {"vol-1"}
    session.ledger.away_s.update({"server/b": 2.0, "server/a": 1.0})
    session.ledger.servers_s = 4.0

    def body() -> Outcome:
        session.scene.sim.clock.sleep(10.0)
        return Outcome("done", ExitCode.DONE, acknowledged=7, lost=0, gap_s=1.23456)

    assert run_to_end(session, "upgrade", body) == 0
    assert session.told[0] == RunStarted("upgrade", "consul", "1.1.0", "sim", "lab", "eve@ci-7")
    end = session.finished
    assert (end.outcome, end.exit_code, end.nodes_replaced, end.volumes_kept) == ("done", 0, 2, 1)
    assert (end.writes_acknowledged, end.writes_lost, end.longest_write_gap_s) == (7, 0, 1.235)
    assert list(end.away_s) == ["server/a", "server/b"]
    assert (end.duration_s, end.terraform_s, end.servers_s, end.own_s) == (10.0, 0.0, 4.0, 6.0)


def test_without_a_probe_its_figures_are_null() -> None:
    session = make_session(make_scene(3))
    assert run_to_end(session, "status", lambda: Outcome("nothing_to_do")) == 0
    end = session.finished
    assert (end.writes_acknowledged, end.writes_lost, end.longest_write_gap_s) == (None, None, None)


def test_a_fault_of_immtf_itself_is_told_and_raised() -> None:
    session = make_session(make_scene(3))
    with pytest.raises(ZeroDivisionError):
        run_to_end(session, "upgrade", failing(ZeroDivisionError("by zero")))
    assert session.halted.what == "a fault in immtf itself: ZeroDivisionError: by zero"
    assert (session.finished.outcome, session.finished.exit_code) == ("failed", 1)


def test_a_halt_says_which_nodes_are_up() -> None:
    session = opened(make_session(make_scene(3)))
    run_to_end(session, "upgrade", failing(CloudFailed("planted")))
    assert session.names() == ["RunStarted", "StatusTaken", "RunHalted", "RunFinished"]
    assert session.halted.safe == "all 3 nodes are up; no node is touched any more"


def test_a_halt_says_which_node_is_away_and_that_its_volumes_are_kept() -> None:
    scene = make_scene(3)
    session = opened(make_session(scene))
    FLAWS["detached"](scene, "b")
    run_to_end(session, "upgrade", failing(TerraformFailed("planted")))
    assert "2 of 3 nodes are up" in session.halted.safe
    assert "away: server/b, with their volumes kept" in session.halted.safe
    (status,) = (event for event in session.told if isinstance(event, StatusTaken))
    assert len(status.unfinished) == 1


def test_a_halt_tells_the_state_as_it_is_now_and_not_as_it_was() -> None:
    """An apply that failed has changed the state: the new instance is told, not the one before it."""
    scene = make_scene(3)
    session = opened(make_session(scene))
    (old,) = scene.sim.live("b")
    address = scene.terraform.planner.address("aws_instance", "b")

    def body() -> Outcome:
        FLAWS["terminated"](scene, "b")
        item = scene.sim.launch("b", "ami-new")
        scene.sim.clock.sleep(60)
        scene.sim.state[address] = type(scene.sim.state[address])("b", "aws_instance", item.instance_id)
        raise TerraformFailed("attaching failed")

    run_to_end(session, "upgrade", body)
    (status,) = (event for event in session.told if isinstance(event, StatusTaken))
    assert next(row.instance for row in status.rows if row.node == "server/b") != old.instance_id


def test_an_environment_that_was_destroyed_is_not_told_as_nodes_away() -> None:
    scene = make_scene(3)
    session = opened(make_session(scene))

    def body() -> Outcome:
        scene.sim.state.clear()
        scene.sim.volumes.clear()
        raise CloudFailed("planted")

    run_to_end(session, "test-upgrade", body)
    assert session.halted.safe == "the environment is gone"


def test_nodes_that_were_never_made_are_not_away() -> None:
    session = make_session(make_empty())
    world = session.open(None)
    world.survey(world.terraform.plan().data)
    run_to_end(session, "create", failing(TerraformFailed("no capacity")))
    assert session.halted.safe.startswith("no node ")


@pytest.mark.parametrize("fault", [CloudFailed("no answer"), KeyError("a fault")])
def test_a_world_that_can_not_be_observed_hides_neither_the_error_nor_the_end(fault: Exception) -> None:
    scene = make_scene(3)
    session = opened(make_session(scene))
    scene.sim.calls.faults = [Fault(fault, "cloud.*", times=99)]
    assert run_to_end(session, "upgrade", failing(errors.GateFailed("the first error"))) == 20
    assert session.halted.what == "the first error"
    assert session.halted.safe.startswith("the state of the nodes could not be observed: ")
    assert session.finished.exit_code == 20


def test_a_state_that_can_not_be_read_leaves_the_last_one_known() -> None:
    """A Terraform that was interrupted is asked nothing more."""
    scene = make_scene(3)
    session = opened(make_session(scene))
    scene.sim.calls.faults = [Fault(Interrupted("no more"), "terraform.*", times=99)]
    run_to_end(session, "upgrade", failing(Interrupted("stopped as asked")))
    assert session.halted.safe.startswith("all 3 nodes are up")
    assert session.finished.outcome == "interrupted"


def test_a_lab_that_died_is_no_reason_to_have_no_last_event() -> None:
    def calls(counted: list[Any] = []) -> int:  # noqa: B006 - it remembers on purpose
        counted.append(1)
        if len(counted) > 1:
            raise LabFailed("the lab is gone")
        return 5

    session = make_session(make_scene(3), calls=calls)
    assert run_to_end(session, "upgrade", failing(CloudFailed("the lab is gone"))) == 1
    assert session.finished.aws_api_calls == 0


def test_calls_are_those_since_the_beginning() -> None:
    count = iter([100, 142])
    session = make_session(make_scene(3), calls=lambda: next(count))
    run_to_end(session, "status", Outcome)
    assert session.finished.aws_api_calls == 42
