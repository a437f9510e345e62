"""`doctor` and `repair` on the simulated world: what is found, what is shown and asked before it is done, and what stays untouched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.lease.local import held_lease
from immtf.adapters.terraform import StateLocked
from immtf.app import doctor
from immtf.app.closing import run_to_end
from immtf.errors import ExitCode, Interrupted, TerraformFailed
from immtf.model.events import Diagnosed, Noted
from immtf.plan.snapshots import RUN_TAG
from tests.fakes.calls import Fault
from tests.fakes.cloud import TAGS
from tests.fakes.deposed import DeposedTerraform
from tests.fakes.session import SimSession, make_session
from tests.fakes.simulation import INSTANCE, NEW, OLD, SimInstance, SimSnapshot
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = Path("/nowhere/lease")
CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "cloud.delete*", "terraform.apply", "terraform.adopt", "service.remove_peer")


def examined(scene: Scene) -> tuple[ExitCode, list[str], SimSession]:
    """Look at the scene; return the exit code, the ids of what was found, and the session."""
    session = make_session(scene, flags="b")
    session.again = "immtf doctor b"
    code = run_to_end(session, "doctor", lambda: doctor.doctor(session, LEASE))
    return code, findings(session), session


def findings(session: SimSession) -> list[str]:
    """Return the ids of what was found last."""
    told = [event for event in session.told if isinstance(event, Diagnosed)]
    return [row.id for row in told[-1].findings] if told else []


def repaired(scene: Scene, *named: str, confirm: Callable[[str], None] | None = None) -> tuple[ExitCode, SimSession]:
    session = make_session(scene, flags="b")
    session.again = "immtf repair b"
    return run_to_end(session, "repair", lambda: doctor.repair(session, named, confirm or session.confirm)), session


def changed(scene: Scene) -> int:
    """Return how many changing calls there were."""
    return sum(scene.sim.calls.count(name) for name in CHANGING)


def whole(scene: Scene) -> list[str]:
    """Return what is not as it has to be when the image that the nodes have is the wanted one."""
    scene.sim.wanted = OLD
    return scene.faults()


def taint(scene: Scene, key: str) -> None:
    scene.sim.state[scene.terraform.planner.address(INSTANCE, key)].tainted = True


def lose(scene: Scene, key: str) -> None:
    """Let the state lose an instance, as a killed apply does."""
    del scene.sim.state[scene.terraform.planner.address(INSTANCE, key)]


def ghost(scene: Scene, _key: str) -> None:
    """Leave a dead server's seat in the configuration."""
    scene.sim.raft.up("10.9.9.9", "ghost")
    scene.sim.raft.down("10.9.9.9")
    scene.sim.clock.sleep(60)


def test_a_healthy_environment() -> None:
    scene = make_scene(3)
    code, found, session = examined(scene)
    assert (code, found, session.finished.outcome) == (ExitCode.DONE, [], "nothing_to_do")
    assert changed(scene) == 0


FLAWED = [
    (FLAWS["stopped"], "stopped-node:server/b"),
    (FLAWS["detached"], "detached-volume:server/b/data"),
    (taint, "tainted:server/b"),
    (lose, "orphan-instance:"),
    (ghost, "stale-peer:server/10.9.9.9"),
]


@pytest.mark.parametrize(("flaw", "wanted"), FLAWED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_machine_mends(flaw: Callable[[Scene, str], None], wanted: str) -> None:
    """F5, F6, F7, F29: named with its fix, and mended on judged paths with the image that the node has."""
    scene = make_scene(3)
    flaw(scene, "b")
    code, found, _ = examined(scene)
    assert code is ExitCode.CHANGES_PENDING
    assert found[0].startswith(wanted)
    before = changed(scene)
    code, session = repaired(scene)
    assert code is ExitCode.DONE
    assert session.confirmed[0].startswith(f"Mend {found[0]}: ")
    assert any(event.message.startswith(f"{found[0]}: ") for event in session.told if isinstance(event, Noted))
    assert (findings(session), session.finished.nodes_replaced) == ([], 0)
    assert (changed(scene) > before or flaw is taint, whole(scene), set(scene.rolled().values())) == (True, [], {0})


@pytest.mark.parametrize(("flaw", "wanted"), FLAWED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_confirmed_is_not_mended(flaw: Callable[[Scene, str], None], wanted: str) -> None:
    def refuse(_question: str) -> None:
        raise Interrupted("not confirmed")

    scene = make_scene(3)
    flaw(scene, "b")
    before = changed(scene)
    assert repaired(scene, confirm=refuse)[0] is ExitCode.INTERRUPTED
    assert changed(scene) == before
    assert examined(scene)[1][0].startswith(wanted)


def test_a_node_that_is_away_is_mended_before_one_that_is_only_marked() -> None:
    """F5, F6: a node's gates want all others whole."""
    scene = make_scene(3)
    FLAWS["detached"](scene, "c")
    taint(scene, "b")
    assert examined(scene)[1] == ["detached-volume:server/c/data", "stopped-node:server/c", "tainted:server/b"]
    code, session = repaired(scene)
    assert code is ExitCode.DONE
    assert len(session.confirmed) == 2, "the volume's mending starts the node too"
    assert (whole(scene), set(scene.rolled().values())) == ([], {0})


def test_two_nodes_away_are_not_mended_by_a_machine() -> None:
    """F32: one at a time, and the others have to be whole meanwhile."""
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    FLAWS["stopped"](scene, "c")
    assert repaired(scene)[0] is ExitCode.PERSON_NEEDED
    assert scene.sim.calls.count("cloud.start") == 0


def test_a_node_that_terraform_would_replace_is_not_repaired() -> None:
    """Its zone changed meanwhile: that is more than the repair that was shown."""
    scene = make_scene(5)
    FLAWS["stopped"](scene, "b")
    scene.terraform.wishes.moved = {"b": "eu-west-1b"}
    code, session = repaired(scene, "stopped-node:server/b")
    assert code is ExitCode.PERSON_NEEDED
    assert "Terraform wants more of this node than the repair: replace" in session.halted.what
    assert scene.sim.calls.count("cloud.start") == 0


def test_a_node_of_the_new_image_is_mended_with_the_new_image() -> None:
    scene = make_scene(3)
    FLAWS["stopped at target"](scene, "b")
    assert repaired(scene)[0] is ExitCode.DONE
    assert {item.image for item in scene.sim.live("b")} == {NEW}


@pytest.mark.parametrize("flaw", ["terminated", "sick"])
def test_what_is_for_a_person_is_left(flaw: str) -> None:
    scene = make_scene(3)
    FLAWS[flaw](scene, "b")
    code, (found,), session = examined(scene)
    assert code is ExitCode.PERSON_NEEDED
    (told,) = (event for event in session.told if isinstance(event, Diagnosed))
    assert "`immtf upgrade b`" in told.findings[0].fix
    code, session = repaired(scene)
    assert (code, session.halted.what) == (ExitCode.PERSON_NEEDED, f"left for a person: {found}")
    assert repaired(scene, found)[0] is ExitCode.PERSON_NEEDED
    assert changed(scene) == 0


def test_what_is_not_found_can_not_be_mended() -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    code, session = repaired(scene, "stopped-node:server/c")
    assert code is ExitCode.USAGE
    assert "stopped-node:server/b" in session.halted.next


def test_nothing_to_repair() -> None:
    code, session = repaired(make_scene(3))
    assert (code, session.finished.outcome) == (ExitCode.DONE, "nothing_to_do")


def make_left_over() -> tuple[Scene, DeposedTerraform]:
    scene = make_scene(3)
    scene.sim.instances["i-left"] = SimInstance("i-left", "b", OLD, scene.sim.zone("b"), "10.0.9.9", "stopped")
    scene.terraform = terraform = DeposedTerraform(scene.sim, outputs=scene.terraform.outputs, left="b")
    return scene, terraform


def test_a_deposed_instance_is_removed_alone() -> None:
    """F40: every upgrade refuses until it is gone; the repair's plan deletes it and nothing else."""
    scene, terraform = make_left_over()
    code, found, _ = examined(scene)
    assert (code, found) == (ExitCode.CHANGES_PENDING, [f"deposed:{terraform.address}"])
    assert repaired(scene)[0] is ExitCode.DONE
    assert (terraform.left, whole(scene), scene.sim.instances["i-left"].state) == ("", [], "terminated")
    assert scene.sim.taken == []


def test_moves_are_shown_with_the_first_repair_that_needs_them_recorded() -> None:
    """Every upgrade refuses a left-over, and Terraform makes no plan for it alone before the moves are recorded."""
    scene, terraform = make_left_over()
    terraform.wishes.renamed = {"aws_vpc.own": "aws_vpc.this"}
    ghost(scene, "")
    code, session = repaired(scene)
    assert (code, terraform.left, terraform.wishes.renamed, whole(scene)) == (ExitCode.DONE, "", {}, [])
    assert [text.endswith("Before that, record 1 moves?") for text in session.confirmed] == [
        text.startswith("Mend deposed:") for text in session.confirmed
    ]
    notes = [event.message for event in session.told if isinstance(event, Noted)]
    assert "recorded in the state first, nothing of it changes: aws_vpc.own: moved from aws_vpc.this" in notes


def test_a_plan_that_would_do_more_than_remove_the_left_over_is_refused() -> None:
    """F40: the node itself would be replaced with it, as its creation was interrupted too."""
    scene, _ = make_left_over()
    taint(scene, "b")
    code, session = repaired(scene)
    assert code is ExitCode.PERSON_NEEDED
    assert "would be changed by the removal of a left-over object" in session.halted.what
    assert scene.sim.calls.count("terraform.apply") == 0


def test_a_snapshot_of_a_lost_volume_is_deleted_only_by_name() -> None:
    scene = make_scene(3)
    tags = {**TAGS, RUN_TAG: "r0"}
    scene.sim.snapshots["snap-1"] = SimSnapshot("snap-1", "vol-gone", "completed", 0.0, tags)
    assert examined(scene)[:2] == (ExitCode.CHANGES_PENDING, ["orphan-snapshot:snap-1"])
    code, session = repaired(scene)
    assert (code, session.finished.outcome, list(scene.sim.snapshots)) == (ExitCode.DONE, "nothing_to_do", ["snap-1"])
    assert repaired(scene, "orphan-snapshot:snap-1")[0] is ExitCode.DONE
    assert scene.sim.snapshots == {}


def test_a_lock_of_terraform_is_named_and_left() -> None:
    """F10, F8: broken by nobody but a person, with the command."""
    scene = make_scene(3)
    held = StateLocked("ann@build holds the lock", next="if it is surely dead: terraform force-unlock 7")
    scene.sim.calls.faults = [Fault(held, "terraform.plan", times=9)]
    code, found, session = examined(scene)
    assert (code, found) == (ExitCode.PERSON_NEEDED, ["terraform-lock:state"])
    (told,) = (event for event in session.told if isinstance(event, Diagnosed))
    assert told.findings[0].fix.endswith("terraform force-unlock 7")


@pytest.mark.parametrize(("error", "code"), [(TerraformFailed("no such variable"), 24), (Interrupted("asked"), 130)])
def test_a_plan_that_can_not_be_made_is_a_finding_and_an_interrupt_is_none(error: Exception, code: int) -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(error, "terraform.plan")]
    assert examined(scene)[0] == code


def test_what_to_do_about_a_plan_that_can_not_be_made_is_told_spelled_out() -> None:
    scene = make_scene(3)
    failed = TerraformFailed("the state could not be saved", next="`immtf upgrade` saves it before anything else")
    scene.sim.calls.faults = [Fault(failed, "terraform.plan")]
    _, found, session = examined(scene)
    (told,) = (event for event in session.told if isinstance(event, Diagnosed))
    assert (found, told.findings[0].fix) == (["plan-fails:root"], "`immtf upgrade b` saves it before anything else")


def test_a_run_at_work_is_told(tmp_path: Path) -> None:
    """F11: what is seen may be its doing."""
    session = make_session(make_scene(3))
    with held_lease(tmp_path / "lease", {"run": "r9", "command": "upgrade"}):
        run_to_end(session, "doctor", lambda: doctor.doctor(session, tmp_path / "lease"))
    notes = [event.message for event in session.told if isinstance(event, Noted)]
    assert any("a run is at work" in note and "r9" in note for note in notes)


def test_a_block_without_an_image_is_repaired_too() -> None:
    scene = make_scene(3)
    scene.sim.wanted = OLD
    scene.block = replace(scene.block, image=None)
    FLAWS["stopped"](scene, "b")
    assert repaired(scene)[0] is ExitCode.DONE
    assert whole(scene) == []


def test_what_is_mended_and_still_there_is_said() -> None:
    scene, terraform = make_left_over()
    terraform.stays = True
    code, session = repaired(scene)
    assert code is ExitCode.PERSON_NEEDED
    assert session.halted.what == f"deposed:{terraform.address} was mended and is there still"
