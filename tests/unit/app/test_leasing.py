"""How a session comes to its leases, and `unlock`, on a small S3 of the test's own: one that ignores conditions, or refuses, too."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.lease import held_lease
from immtf.app.closing import Outcome, run_to_end
from immtf.app.leasing import Leases, _account, make_holder, refuse_removed, take_remote
from immtf.app.unlocking import unlock
from immtf.errors import CloudFailed, ExitCode, LeaseHeld, LeaseLost, UsageError
from immtf.model.environment import Backend, States
from immtf.model.events import Noted
from immtf.plan.lease import lease_text, parse_lease
from tests.fakes.leases import make_record
from tests.fakes.session import SimSession, make_session
from tests.fakes.small_s3 import SmallS3, served
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.cloud import ImageChoice
    from immtf.run.world import World

LEASE, LOCK = "/states/tiny.tfstate.immtf-lease", "/states/tiny.tfstate.tflock"
ME = make_holder("r1", "upgrade", "2026-01-02 03:04:05 UTC", {"USER": "eve"})


@dataclass
class RootedSession(SimSession):
    """A session whose Terraform has been initialised in a directory."""

    root: Path = Path()

    def open(self, image: ImageChoice | None, **_more: object) -> World:
        self.terraforms = [self]  # type: ignore[list-item]  # all that is asked of it is its root
        return super().open(image)

    def messages(self) -> list[str]:
        return [event.message for event in self.told if isinstance(event, Noted)]


@pytest.fixture
def s3() -> Iterator[SmallS3]:
    with served(SmallS3()) as small:
        yield small


def rooted(root: Path, backend: dict[str, Any] | None, url: str = "") -> RootedSession:
    """Return a session on a root module whose state is there."""
    if backend is not None:
        (root / ".terraform").mkdir(exist_ok=True)
        (root / ".terraform/terraform.tfstate").write_text(json.dumps({"backend": backend}))
    plain = make_session(make_scene(3))
    process = {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": url or "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    target = type(plain.target)(cloud="aws", environment="default", is_test=False, home=root, process=process, flags=".")
    return RootedSession(plain.block, target, "r1", plain.signals, (), scene=plain.scene, root=root)


def in_s3(root: Path, s3: SmallS3) -> RootedSession:
    return rooted(root, {"type": "s3", "config": {"bucket": "states", "key": "tiny.tfstate", "use_path_style": True}}, s3.url)


def test_a_lease_beside_the_state_is_taken_confirmed_and_given_back(tmp_path: Path, s3: SmallS3) -> None:
    session = in_s3(tmp_path, s3)
    with held_lease(tmp_path / "lease", {}) as local:
        leases = Leases(ME, local)
        session.leases = leases
        for _ in range(2):
            leases.complete(session, tmp_path)
        record = parse_lease(s3.objects[LEASE])
        assert record is not None
        assert record.holder == ME
        assert ME.who.startswith("eve@")
        leases.confirm()
        s3.objects[LEASE] = lease_text(make_record("theirs", generation=2))
        with pytest.raises(LeaseLost, match="run theirs"):
            leases.confirm()
        session.release()
        session.release()
    assert '"free": false' in s3.objects[LEASE]


def test_a_run_that_lost_its_lease_in_its_last_wait_is_not_done(tmp_path: Path, s3: SmallS3) -> None:
    """F12: nothing was left to change, but what it saw at the end may be another run's doing; and the lease is told lost before the end."""
    session = in_s3(tmp_path, s3)

    def body() -> Outcome:
        assert session.leases is not None
        session.leases.complete(session, tmp_path)
        s3.objects[LEASE] = lease_text(make_record("theirs", generation=2))
        return Outcome()

    with held_lease(tmp_path / "lease", {}) as local:
        session.leases = Leases(ME, local)
        assert run_to_end(session, "upgrade", body) == 23
    assert "run theirs" in session.halted.what
    assert session.finished.exit_code == 23


def test_a_run_that_is_done_gives_its_lease_back_before_its_last_event(tmp_path: Path, s3: SmallS3) -> None:
    session = in_s3(tmp_path, s3)

    def body() -> Outcome:
        assert session.leases is not None
        session.leases.complete(session, tmp_path)
        s3.broken_after = len(s3.puts) + 1
        return Outcome()

    with held_lease(tmp_path / "lease", {}) as local:
        session.leases = Leases(ME, local)
        assert run_to_end(session, "upgrade", body) == 0
    assert session.names()[-2:] == ["Noted", "RunFinished"]
    assert "could not be given back" in session.messages()[-1]


def test_a_second_run_is_refused_by_the_first_sign_of_life(tmp_path: Path, s3: SmallS3) -> None:
    """F11."""
    session = in_s3(tmp_path, s3)
    s3.objects[LEASE] = lease_text(make_record("theirs"))
    beat = lease_text(make_record("theirs", beat=1))
    session.scene.sim.clock.after(10, lambda: s3.objects.update({LEASE: beat}))
    with pytest.raises(LeaseHeld, match="run theirs"):
        take_remote(session, tmp_path, ME, 60.0)


def test_a_local_state_has_no_other_lease_and_nothing_to_be_told(tmp_path: Path) -> None:
    session = rooted(tmp_path, None)
    assert take_remote(session, tmp_path, ME, 60.0) is None
    assert session.messages() == []


def test_another_backend_is_told_once(tmp_path: Path) -> None:
    session = rooted(tmp_path, {"type": "gcs", "config": {}})
    with held_lease(tmp_path / "lease", {}) as local:
        leases = Leases(ME, local)
        leases.complete(session, tmp_path)
        leases.complete(session, tmp_path)
        leases.confirm()
        leases.release()
    (told,) = session.messages()
    assert told.startswith("the state is in a gcs backend: the lease keeps out other runs on this machine only")


def test_a_store_without_conditional_writes_is_no_lease(tmp_path: Path, s3: SmallS3) -> None:
    s3.careless = True
    session = in_s3(tmp_path, s3)
    assert take_remote(session, tmp_path, ME, 60.0) is None
    assert "makes no conditional writes" in session.messages()[0]


def test_a_bucket_that_refuses_the_lease_says_what_to_allow(tmp_path: Path, s3: SmallS3) -> None:
    s3.refusing = "AccessDenied"
    with pytest.raises(CloudFailed, match="the lease can't be kept beside the state") as caught:
        take_remote(in_s3(tmp_path, s3), tmp_path, ME, 60.0)
    assert "s3:PutObject" in caught.value.next
    s3.refusing = "InvalidAccessKeyId"
    with pytest.raises(CloudFailed) as caught:
        take_remote(in_s3(tmp_path, s3), tmp_path, ME, 60.0)
    assert caught.value.code == "InvalidAccessKeyId"


def in_a_test(root: Path, s3: SmallS3) -> RootedSession:
    """Return a session on a block in a test's environment, whose states are in S3."""
    session = in_s3(root, s3)
    template = Backend("s3", {"bucket": "states", "key": "{environment}/{block}/x", "use_path_style": True})
    states = States(lambda block: Backend("s3", {"key": block}), tuple, template)
    session.target = replace(session.target, is_test=True, environment="t-0123abcd", directory=root / "t-0123abcd/tiny", states=states)
    return session


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_no_run_begins_in_an_environment_that_a_reap_is_removing(tmp_path: Path, s3: SmallS3, where: str) -> None:
    """F43: its own lease is taken by then, so one of the two sees the other. A test that has its environment is in nobody's way."""
    session = in_a_test(tmp_path, s3)
    whole = "/states/t-0123abcd/environment.json.immtf-lease"
    record = make_record("theirs")
    with ExitStack() as stack:
        leases = Leases(ME, stack.enter_context(held_lease(tmp_path / "lease", {})))
        stack.callback(leases.release)
        s3.objects[whole] = lease_text(record)
        refuse_removed(session.target)
        if where == "here":
            stack.enter_context(held_lease(tmp_path / "t-0123abcd/reap.lease", {"run": "theirs"}))
        else:
            s3.objects[whole] = lease_text(replace(record, holder=replace(record.holder, command="reap")))
        with pytest.raises(LeaseHeld, match=r"is being removed, its time was over: .*run theirs"):
            leases.complete(session, tmp_path)
        assert LEASE in s3.objects
        refuse_removed(replace(session.target, is_test=False))


def test_who_it_is_is_known_without_the_environment() -> None:
    holder = make_holder("r1", "upgrade", "then", {})
    user, _, host = holder.who.partition("@")
    assert user
    assert host
    assert _account(4_000_000_000) == "uid 4000000000"


def asked(questions: list[str]) -> Any:
    return questions.append


def test_unlock_shows_whose_it_is_and_refuses(tmp_path: Path, s3: SmallS3) -> None:
    """F8: nothing is broken but on an explicit command."""
    s3.objects[LEASE] = lease_text(make_record("theirs"))
    with pytest.raises(LeaseHeld, match="the lease is held: run theirs") as caught:
        unlock(in_s3(tmp_path, s3), tmp_path / "lease", force=False, confirm=asked([]))
    assert caught.value.exit_code == ExitCode.LEASE_HELD
    assert "`immtf unlock --force`" in caught.value.next
    assert '"free": false' in s3.objects[LEASE]


@pytest.mark.parametrize("body", [lease_text(make_record("theirs", generation=5)), "what a later version wrote"])
def test_unlock_with_force_shows_first_then_asks_then_removes(tmp_path: Path, s3: SmallS3, body: str) -> None:
    """F8."""
    s3.objects[LEASE] = body
    session, questions = in_s3(tmp_path, s3), list[str]()
    assert unlock(session, tmp_path / "lease", force=True, confirm=asked(questions)).outcome == "done"
    assert len(questions) == 1
    assert "is held: " in session.messages()[0]
    assert '"free": true' in s3.objects[LEASE]
    assert unlock(in_s3(tmp_path, s3), tmp_path / "lease", force=True, confirm=asked(questions)).outcome == "nothing_to_do"
    assert len(questions) == 1, "what nobody holds is not asked about"


def test_what_is_removed_is_what_was_shown(tmp_path: Path, s3: SmallS3) -> None:
    """A holder that renews while the person thinks is still the one that was shown; another holder is not."""
    s3.objects[LEASE] = lease_text(make_record("theirs"))
    session = in_s3(tmp_path, s3)
    unlock(session, tmp_path / "lease", force=True, confirm=lambda _: s3.objects.update({LEASE: lease_text(make_record("theirs", beat=3))}))
    assert '"free": true' in s3.objects[LEASE]
    s3.objects[LEASE] = lease_text(make_record("theirs"))
    with pytest.raises(LeaseHeld, match="changed hands"):
        unlock(session, tmp_path / "lease", force=True, confirm=lambda _: s3.objects.update({LEASE: lease_text(make_record("new"))}))
    assert '"free": false' in s3.objects[LEASE]
    s3.objects[LEASE] = lease_text(make_record("theirs"))
    gone = unlock(session, tmp_path / "lease", force=True, confirm=lambda _: s3.objects.pop(LEASE) and None)
    assert gone.outcome == "done"


@pytest.mark.parametrize(
    ("lock", "told"),
    [
        ('{"ID":"1-2","Who":"eve@ci","Created":"then","Operation":"OperationTypeApply"}', "eve@ci since then (OperationTypeApply)"),
        ("{}", "somebody it doesn't name"),
    ],
)
def test_terraforms_own_lock_is_told_with_the_command_that_breaks_it(tmp_path: Path, s3: SmallS3, lock: str, told: str) -> None:
    """F8: it is named, and left to Terraform."""
    s3.objects[LOCK] = lock
    session = in_s3(tmp_path, s3)
    assert unlock(session, tmp_path / "lease", force=False, confirm=asked([])).outcome == "nothing_to_do"
    assert told in session.messages()[-1]
    assert "force-unlock " in session.messages()[-1]
    assert s3.objects[LOCK] == lock


def test_unlock_where_the_state_is_on_this_machine(tmp_path: Path) -> None:
    """F8: the process is named; the kernel lets go of the lock with it, so there is nothing to break."""
    session = rooted(tmp_path, None)
    assert unlock(session, tmp_path / "lease", force=True, confirm=asked([])).outcome == "nothing_to_do"
    with held_lease(tmp_path / "lease", {"run": "r9", "pid": "77"}):
        for force in (True, False):
            with pytest.raises(LeaseHeld, match="run r9, pid 77") as caught:
                unlock(session, tmp_path / "lease", force=force, confirm=asked([]))
            assert "kill -TERM 77" in caught.value.next


def test_an_environment_that_immtf_keeps_has_its_state_here(tmp_path: Path) -> None:
    session = make_session(make_scene(3), directory=tmp_path)
    assert unlock(session, tmp_path / "lease", force=False, confirm=asked([])).outcome == "nothing_to_do"
    assert session.opened == []


def test_a_state_that_would_be_gone_with_the_container_is_refused(tmp_path: Path) -> None:
    """A block in the image, without a backend: what `create` makes would be known to nobody after `docker run --rm`."""
    session = rooted(tmp_path, {"type": "local"})
    own = {"TF_DATA_DIR": str(tmp_path / ".terraform")}
    for process, is_test in ((own, False), ({**own, "IMMTF_INSIDE": "container"}, True)):
        session.target = replace(session.target, process=process, is_test=is_test)
        assert take_remote(session, Path("/"), ME, 60.0) is None
    session.target = replace(session.target, is_test=False)
    with pytest.raises(UsageError, match="gone with it"):
        take_remote(session, Path("/"), ME, 60.0)
    assert take_remote(session, Path("/proc/self"), ME, 60.0) is None, "in a mount"
