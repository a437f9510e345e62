"""What a test stands on: its record before anything is made, the blocks that it needs, and what is left of it or kept."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters import records
from immtf.app import rehearsal
from immtf.app.closing import run_to_end
from immtf.app.ground import Ground
from immtf.errors import CloudFailed, ExitCode, Interrupted, TerraformFailed
from immtf.model.environment import Backend, States
from immtf.model.events import Noted
from immtf.model.running import RunEnd
from immtf.plan.reaping import tags_of
from immtf.run.blocks import Tally
from tests.fakes.calls import Fault
from tests.fakes.session import SimSession, make_session
from tests.fakes.simulation import OLD
from tests.fakes.world import make_block, make_empty, make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.app.blocks import Job
    from tests.fakes.world import Scene

NAME = "t-0123abcd"
BASE = replace(make_block(), name="base", version="1.0.0")
NET = replace(make_block(), name="net", version="2.0.0", requires={"base": "~> 1.0"})


@dataclass
class Runs:
    """Stands in for the blocks' own runs; `fails` are those (command, block) that do. `seen` is looked at before each."""

    session: SimSession
    fails: frozenset[tuple[str, str]] = frozenset()
    jobs: list[Job] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)

    def __call__(self, job: Job, **_ports: Any) -> Tally:
        self.jobs.append(job)
        self.seen.append(bool(self.session.scene.sim.state))
        bad = [block for block in job.blocks if (job.command, block) in self.fails]
        ends = tuple(
            RunEnd(block, "failed" if block in bad else "done", int(bool(bad)), "no room" if block in bad else "") for block in job.blocks
        )
        return Tally(ends, ExitCode.PERSON_NEEDED if bad else ExitCode.DONE, {})


def session_in(home: Path, *, scene: Scene | None = None, **target: Any) -> SimSession:
    directory = home / "environments" / NAME / "consul"
    directory.mkdir(parents=True)
    place = {
        "cloud": "aws",
        "environment": NAME,
        "generated": True,
        "home": home,
        "directory": directory,
        "flags": f"b --environment {NAME}",
    }
    return make_session(scene or make_empty(), **{**place, **target})


def record_in(home: Path) -> Path:
    return home / "environments" / NAME / "environment.json"


def run(session: SimSession, ground: Ground) -> ExitCode:
    return run_to_end(session, "test-create", lambda: rehearsal.test_create(session, None, ground))


def notes(session: SimSession) -> list[str]:
    return [event.message for event in session.told if isinstance(event, Noted)]


def needing(session: SimSession, *fails: tuple[str, str], **more: Any) -> tuple[Ground, Runs]:
    runs = Runs(session, frozenset(fails))
    return Ground(producers=(BASE, NET), place=lambda _target: ("--environment=x",), run=runs, **more), runs


def test_each_block_that_is_needed_gets_the_variables_that_it_declares(tmp_path: Path) -> None:
    there: list[Path] = []

    @contextmanager
    def written(directory: Path) -> Iterator[dict[str, str]]:
        there.append(directory)
        yield {"base": "--var-file=base.json"}

    session = session_in(tmp_path)
    ground, runs = needing(session, variables=written)
    assert run(session, ground) is ExitCode.DONE
    assert [dict(job.own) for job in runs.jobs] == [{"base": ("--var-file=base.json",)}] * 2
    assert [path.relative_to(tmp_path / "runs").parts[1:] for path in there] == [("create", "variables"), ("destroy", "variables")]


def test_the_record_stands_before_anything_is_made_and_is_gone_when_all_is(tmp_path: Path) -> None:
    """F43."""
    session = session_in(tmp_path)
    seen = []
    session.scene.sim.calls.watch = lambda: seen.append(record_in(tmp_path).exists()) if session.scene.sim.state else None
    assert run(session, Ground(life_s=60)) is ExitCode.DONE
    assert seen
    assert all(seen)
    assert not record_in(tmp_path).exists()
    assert session.target.tags["immtf:class"] == "test"


def test_what_is_made_bears_the_record_s_tags(tmp_path: Path) -> None:
    """F43, F48: its end is by the API's own clock."""
    session = session_in(tmp_path)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")]
    assert run(session, Ground(life_s=3600, keep=True)) is ExitCode.ERROR
    record = records.read(record_in(tmp_path))
    assert record
    assert (record.created, record.expires) == ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z")
    assert session.target.tags == tags_of(record)
    assert record.blocks == (str(session.block.directory),)


def test_the_blocks_that_are_needed_are_made_before_and_destroyed_after_in_reverse(tmp_path: Path) -> None:
    session = session_in(tmp_path)
    ground, runs = needing(session)
    assert run(session, ground) is ExitCode.DONE
    made, destroyed = runs.jobs
    assert (made.command, [*made.blocks], made.waits_for) == ("create", ["base", "net"], {"base": set(), "net": {"base"}})
    assert (destroyed.command, [*destroyed.blocks], destroyed.waits_for) == ("destroy", ["net", "base"], {"net": set(), "base": {"net"}})
    assert made.options == ("--environment=x",)
    assert runs.seen == [False, False], "the block itself is there neither before nor after"


def test_where_a_needed_block_can_not_be_made_what_was_made_is_destroyed(tmp_path: Path) -> None:
    """F43."""
    session = session_in(tmp_path)
    ground, runs = needing(session, ("create", "net"))
    assert run(session, ground) is ExitCode.PERSON_NEEDED
    assert session.halted.what == "the blocks that consul needs: create failed: net: no room"
    assert [job.command for job in runs.jobs] == ["create", "destroy"]
    assert session.opened == []
    assert not record_in(tmp_path).exists()


@pytest.mark.parametrize(("planted", "code"), [(False, ExitCode.GATE_FAILED), (True, ExitCode.ERROR)])
def test_a_needed_block_that_is_left_is_told_and_its_record_stays(tmp_path: Path, planted: bool, code: ExitCode) -> None:
    """F43: the next `reap` finds it; why the test failed isn't hidden."""
    session = session_in(tmp_path)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")] if planted else []
    ground, _ = needing(session, ("destroy", "base"))
    assert run(session, ground) is code
    assert record_in(tmp_path).exists()
    assert f"the test environment {NAME} is left" in (notes(session)[-1] if planted else session.halted.what)


def test_a_block_that_is_left_keeps_what_it_needs(tmp_path: Path) -> None:
    session = session_in(tmp_path)
    session.scene.sim.calls.faults = [
        Fault(TerraformFailed("planted"), "part.create:b"),
        Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop"),
    ]
    ground, runs = needing(session)
    assert run(session, ground) is ExitCode.ERROR
    assert [job.command for job in runs.jobs] == ["create"]
    assert record_in(tmp_path).exists()


def test_a_test_that_failed_is_kept_where_it_was_told_to_and_how_to_get_at_it_is_told(tmp_path: Path) -> None:
    session = session_in(tmp_path)
    session.elsewhere = "--home=h"
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")]
    ground, runs = needing(session, keep=True)
    assert run(session, ground) is ExitCode.ERROR
    assert [job.command for job in runs.jobs] == ["create"]
    assert session.scene.sim.state
    record = records.read(record_in(tmp_path))
    assert record
    assert record.kept
    told = "\n".join(notes(session))
    assert f"kept: the test environment {NAME} is left as it is until {record.expires}, then `immtf reap` removes it" in told
    assert f"look at it: immtf status b --environment {NAME} --home=h" in told
    assert f"destroy it: immtf destroy b --environment {NAME} --home=h --yes && immtf destroy /blocks/consul --environment=x --yes" in told


def test_a_test_that_went_well_or_was_interrupted_is_not_kept(tmp_path: Path) -> None:
    session = session_in(tmp_path)
    assert run(session, Ground(keep=True)) is ExitCode.DONE
    assert session.scene.sim.state == {}
    again = session_in(tmp_path / "again")
    calls = again.scene.sim.calls
    calls.faults = [Fault(Interrupted("stopped as asked"), "part.create:b")]
    calls.watch = lambda: again.signals.request() if calls.log[-1] == "part.create:b" else None
    assert run(again, Ground(keep=True)) is ExitCode.INTERRUPTED
    assert again.scene.sim.state == {}


def test_without_a_directory_of_its_own_there_is_no_record_and_a_failure_is_kept_all_the_same() -> None:
    session = make_session(make_empty())
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")]
    assert run(session, Ground(keep=True)) is ExitCode.ERROR
    assert session.scene.sim.state
    assert "kept: the test environment sim is left as it is" in notes(session)


@pytest.mark.parametrize(
    ("target", "there", "what"),
    [
        ({"is_test": False}, (), "is no test's"),
        ({}, ("base",), "there is something already: base"),
        ({"generated": False}, ("consul", "other"), "there is something already: consul"),
        ({"generated": False}, ("base", "other"), "there is something already: base"),
    ],
    ids=["production", "generated", "named", "needed"],
)
def test_an_environment_that_is_not_a_test_s_alone_is_refused_before_anything(tmp_path: Path, target: Any, there: Any, what: str) -> None:
    """F43: nothing that a test does can reach what isn't its own."""
    states = States(lambda block: Backend("local", {"path": f"/e/{block}"}), lambda: there)
    session = session_in(tmp_path, states=states, **target)
    ground, runs = needing(session)
    assert run(session, ground) is ExitCode.USAGE
    assert what in session.halted.what
    assert (runs.jobs, session.opened, record_in(tmp_path).exists()) == ([], [], False)


def test_a_named_environment_with_other_blocks_may_be_tested_in_and_stays_a_test_s(tmp_path: Path) -> None:
    states = States(lambda block: Backend("local", {"path": f"/e/{block}"}), lambda: ("base",))
    session = session_in(tmp_path, states=states, generated=False)
    assert run(session, Ground()) is ExitCode.DONE
    record = records.read(record_in(tmp_path))
    assert record
    assert (record.kind, record.expires) == ("test", "")


def test_a_named_environment_with_other_blocks_has_no_end_while_it_is_tested_in(tmp_path: Path) -> None:
    """F43: `reap` takes a whole environment, and what others have in this one is not the test's."""
    states = States(lambda block: Backend("local", {"path": f"/e/{block}"}), lambda: ("other",))
    session = session_in(tmp_path, states=states, generated=False)
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")]
    assert run(session, Ground(keep=True)) is ExitCode.ERROR
    record = records.read(record_in(tmp_path))
    assert record
    assert (record.kind, record.expires, record.kept, dict(session.target.tags)) == ("test", "", True, {})
    assert f"kept: the test environment {NAME} is left as it is" in notes(session)


@pytest.mark.parametrize("whose", ["its own", "a needed one"])
def test_a_block_that_adopts_what_exists_is_tested_in_a_lab_only(tmp_path: Path, whose: str) -> None:
    """F43: a test destroys all that its state has, and what it adopted may be anybody's."""
    (tmp_path / "main.tf").write_text('import {\n  to = aws_vpc.this\n  id = "vpc-of-production"\n}\n')
    session = session_in(tmp_path)
    adopting = replace(session.block, terraform=tmp_path)
    session.block = adopting if whose == "its own" else session.block
    ground, runs = needing(session)
    ground = replace(ground, producers=(adopting,) if whose == "a needed one" else ())
    assert run(session, ground) is ExitCode.USAGE
    assert "takes things that exist into its state" in session.halted.what
    assert (runs.jobs, session.opened, record_in(tmp_path).exists()) == ([], [], False)


def test_where_states_can_not_be_listed_the_block_s_own_is_looked_at(tmp_path: Path) -> None:
    """F43."""
    states = States(lambda block: Backend("http", {"address": block}), lambda: None)
    assert run(session_in(tmp_path, states=states), Ground()) is ExitCode.DONE
    full = session_in(tmp_path / "full", scene=make_scene(3), states=states)
    assert run(full, Ground()) is ExitCode.USAGE
    assert "there is something already: consul" in full.halted.what
    assert len(full.scene.sim.state) == 9, "it is not this test's to destroy"


def test_a_name_that_something_bears_already_is_not_used(tmp_path: Path) -> None:
    """F43: by tag."""
    session = session_in(tmp_path)
    stray = session.scene.sim.launch("a", OLD)
    assert run(session, Ground()) is ExitCode.USAGE
    assert session.halted.what == f"something bears the name {NAME} already: {stray.instance_id}"
    assert stray.live
