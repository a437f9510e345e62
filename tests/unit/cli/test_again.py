"""Command lines that a person can copy: the run's own again, and what any other command on the same environment needs."""

from __future__ import annotations

from pathlib import Path

from immtf.app.closing import spelled
from immtf.cli.options import Options
from tests.fakes.session import make_session
from tests.fakes.world import make_scene


def make_options() -> Options:
    return Options(block=Path("b"), lab=True, node="server/a", image="1.0.0", home=Path("my home"), variables=("size=2",))


def test_the_same_again_has_all_its_options() -> None:
    options = make_options()
    assert options.again("rollback") == "immtf rollback b --lab --image=1.0.0 --node=server/a '--home=my home' --var=size=2"


def test_findings_accepted_nodes_and_the_previous_version_are_said_again() -> None:
    options = Options(block=Path("b"), lab=True, lab_delays="aws", findings=("stale-peer:server/a",), accept_unmarked=("a",), lease_ttl=30)
    assert options.again("repair") == "immtf repair b stale-peer:server/a --lab --lab-delays=aws --accept-unmarked=a --lease-ttl=30"
    assert Options(block=Path("b"), lab=True, lab_runtime="docker").again("plan") == "immtf plan b --lab --lab-runtime=docker"
    assert Options(block=Path("b"), source="git:v1").again("test-upgrade") == "immtf test-upgrade b --from=git:v1"


def test_another_command_gets_the_environment_and_not_the_run_s_choice() -> None:
    options = make_options()
    session = make_session(make_scene(3), flags="b --lab")
    session.again, session.elsewhere = options.again("upgrade"), options.elsewhere()
    assert spelled("`immtf status`", session) == "`immtf status b --lab '--home=my home' --var=size=2`"
    rollback = "`immtf rollback b --lab --node server/a '--home=my home' --var=size=2`"
    assert spelled("`immtf rollback --node server/a`", session) == rollback
