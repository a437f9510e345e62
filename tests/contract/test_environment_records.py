"""Records of test environments beside their states in S3: written first, found again, and gone last. Against moto on loopback."""

from __future__ import annotations

import json
import platform
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from immtf.adapters.bucket import Bucket
from immtf.adapters.lease import holder_of
from immtf.adapters.lease.backend import S3Place
from immtf.adapters.lease.store import s3_client
from immtf.adapters.records import write
from immtf.errors import ImmtfError, LeaseHeld, LeaseLost
from immtf.model.environment import Backend
from immtf.model.lease import Holder, LeaseRecord
from immtf.plan.lease import freed, lease_text, renewed
from immtf.plan.reaping import LOCK_S, new_record, record_text
from tests.contract.lease_stores import BUCKET, KEYS, REGION, aws, moto
from tests.fakes.clock import VirtualClock
from tests.fakes.leases import make_hands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.model.events import Event
    from immtf.model.reaping import Left

NAME, OTHER = "t-0123abcd", "t-11111111"
RECORD = new_record(NAME, ("/b/consul",), at=1_800_000_000, life=60)
STATE = json.dumps({"resources": [{"mode": "managed"}], "outputs": {}})
BARE = json.dumps({"resources": [], "outputs": {}})
LEASE = LeaseRecord(holder=Holder(run="r1", who="ada@there", command="test-create", pid=1, since="now"), token="x", ttl_s=60.0)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto() as url:
        yield url


class Desk:
    """A bucket of environments, and S3 itself to look at it."""

    def __init__(self, url: str, prefix: str) -> None:
        config = {
            "bucket": BUCKET,
            "key": f"{prefix}/{{environment}}/{{block}}/terraform.tfstate",
            "region": REGION,
            "use_path_style": True,
        }
        self.bucket = Bucket(Backend("s3", config), aws(url), KEYS)
        self.s3: Any = s3_client(S3Place(bucket=BUCKET, key="", path_style=True), aws(url), KEYS, timeout_s=20)
        self.prefix = prefix
        self.told: list[Event] = []
        self.clock = VirtualClock()

    def put(self, path: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=text.encode())

    def left(self, home: Path) -> tuple[Left, ...]:
        return self.bucket.environments(lambda name: (home / name, home / name), make_hands(self.told, clock=self.clock))

    def age(self, path: str, seconds: float) -> None:
        """Have an object been written so long ago: moto is in this process."""
        key = s3_backends["123456789012"]["aws"].buckets[BUCKET].keys[f"{self.prefix}/{path}"]
        key.last_modified -= timedelta(seconds=seconds)

    def keys(self) -> list[str]:
        rows = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/").get("Contents", ())
        return [row["Key"].removeprefix(f"{self.prefix}/") for row in rows]


@pytest.fixture
def desk(url: str, request: pytest.FixtureRequest) -> Desk:
    return Desk(url, f"envs/{request.node.name}")


def test_an_environment_is_found_by_its_record_with_the_states_that_hold_something(desk: Desk, tmp_path: Path) -> None:
    """F43."""
    desk.bucket.write(RECORD)
    for path, text in {"consul": STATE, "base": STATE, "gone": BARE}.items():
        desk.put(f"{NAME}/{path}/terraform.tfstate", text)
    desk.put(f"{OTHER}/consul/terraform.tfstate", STATE)  # no record: it is nothing that `reap` knows of
    desk.put(f"{NAME}/consul/more/environment.json", "{}")
    (left,) = desk.left(tmp_path)
    assert (left.environment, left.record, left.problem) == (NAME, RECORD, "")
    assert left.where == f"s3://{BUCKET}/{desk.prefix}/{NAME}/environment.json"
    states = left.states()
    assert [state.block for state in states] == ["base", "consul"]
    assert states[1].backend.config["key"] == f"{desk.prefix}/{NAME}/consul/terraform.tfstate"
    assert left.at_work() == ""


def test_all_of_it_goes_the_record_last_and_nothing_of_another(desk: Desk, tmp_path: Path) -> None:
    """F43: locks and leases too."""
    desk.bucket.write(RECORD)
    desk.bucket.write(replace(RECORD, environment=OTHER))
    for name in ("terraform.tfstate", "terraform.tfstate.tflock", "terraform.tfstate.immtf-lease"):
        desk.put(f"{NAME}/consul/{name}", STATE)
    local = tmp_path / NAME
    local.mkdir()
    desk.left(tmp_path)[0].forget()
    assert desk.keys() == [f"{OTHER}/environment.json"]
    assert not local.exists()
    desk.bucket.remove(OTHER)
    desk.bucket.remove(OTHER)
    assert desk.keys() == []


def test_a_record_under_a_name_that_no_test_has_is_nobody_s(desk: Desk, tmp_path: Path) -> None:
    """F43: whoever may write to the bucket must not lead a reap to other states, nor to other directories here."""
    for name in ("..", ".immtf", "production", NAME):
        desk.s3.put_object(Bucket=BUCKET, Key=f"{desk.prefix}/{name}/environment.json", Body=record_text(RECORD).encode())
    everywhere = lambda name: (tmp_path / name, tmp_path / name)  # noqa: E731 - as `reap` gives it
    assert [left.environment for left in desk.bucket.environments(everywhere, make_hands())] == ["production", NAME], (
        "as a lab may be named"
    )
    assert [left.environment for left in desk.bucket.environments(everywhere, make_hands(), generated=True)] == [NAME]


def test_a_later_state_on_this_machine_that_could_not_be_saved_keeps_all(desk: Desk, tmp_path: Path) -> None:
    """F43."""
    desk.bucket.write(RECORD)
    work = tmp_path / NAME / "consul/work"
    work.mkdir(parents=True)
    (work / "errored.tfstate").write_text(STATE)
    with pytest.raises(ImmtfError, match="could not be saved"):
        desk.left(tmp_path)[0].states()


def test_a_record_that_can_not_be_read_is_told(desk: Desk, tmp_path: Path) -> None:
    desk.put(f"{NAME}/environment.json", "{")
    (left,) = desk.left(tmp_path)
    assert left.record is None
    assert "can't be read" in left.problem


@pytest.mark.parametrize("path", ["environment.json.immtf-lease", "consul/terraform.tfstate.immtf-lease"], ids=["its test", "a run"])
@pytest.mark.parametrize(
    ("text", "age_s", "dead"),
    [
        (lease_text(LEASE), 0, False),
        (lease_text(LEASE), 300, True),
        (lease_text(freed(LEASE)), 0, True),
        ("?", 300, False),
        ("?", 11_000, True),
    ],
    ids=["renewed", "not renewed for long", "given back", "not to be read", "not to be read, and old"],
)
def test_a_lease_tells_whether_its_holder_may_be_alive(desk: Desk, tmp_path: Path, path: str, text: str, age_s: float, dead: bool) -> None:
    """F43, F48: by S3's own clock. A dead one's is taken at once; nobody takes it then."""
    desk.bucket.write(RECORD)
    desk.put(f"{NAME}/{path}", text)
    desk.age(f"{NAME}/{path}", age_s)
    (left,) = desk.left(tmp_path)
    assert (left.at_work() == "") is dead
    if not dead and text == "?":
        with pytest.raises(LeaseHeld, match="can't read"), left.hold():
            pass
        return
    if dead:
        with left.hold() as confirm:
            confirm()
            assert desk.clock.monotonic() == 0, "nothing was waited for"
            assert "run r9 (reap) of eve@here" in left.at_work()
        assert left.at_work() == "", "it was given back"


def test_one_that_was_renewed_of_late_is_watched_and_left_when_it_lives(desk: Desk, tmp_path: Path) -> None:
    """F43: a test between the runs of two of its blocks, past its time. What was taken before it is given back."""
    desk.bucket.write(RECORD)
    path, local = f"{NAME}/environment.json.immtf-lease", tmp_path / NAME
    local.mkdir()
    desk.put(path, lease_text(LEASE))
    desk.clock.after(20, lambda: desk.put(path, lease_text(renewed(LEASE))))
    (left,) = desk.left(tmp_path)
    with pytest.raises(LeaseHeld, match="ada@there"), left.hold():
        pass
    assert 20 <= desk.clock.monotonic() < 30
    assert (local / "reap.lease").exists()
    assert holder_of(local / "reap.lease") is None


def test_one_that_dies_while_it_is_watched_is_taken(desk: Desk, tmp_path: Path) -> None:
    """F43: its machine is gone."""
    desk.bucket.write(RECORD)
    desk.put(f"{NAME}/consul/terraform.tfstate.immtf-lease", lease_text(LEASE))
    with desk.left(tmp_path)[0].hold() as confirm:
        confirm()
    assert desk.clock.monotonic() == LEASE.ttl_s
    assert any("taken over" in str(event) for event in desk.told)


def test_what_is_removed_stays_so_whoever_gives_its_lease_back(desk: Desk, tmp_path: Path) -> None:
    """F43: the reap itself, and a test that wakes up later and finds that it lost its own."""
    desk.bucket.write(RECORD)
    sleeper = make_hands()
    with ExitStack() as stack:
        confirm = stack.enter_context(sleeper.beside_state(desk.bucket.lease(NAME)))
        desk.age(f"{NAME}/environment.json.immtf-lease", 300)
        (left,) = desk.left(tmp_path)
        with left.hold():
            left.forget()
            assert desk.keys() == []
        assert desk.keys() == []
        with pytest.raises(LeaseLost):
            confirm()
    assert desk.keys() == []


def test_a_run_sees_the_reap_and_nobody_else(desk: Desk, tmp_path: Path) -> None:
    """F43: the environment's own test isn't in the way of its blocks' runs; nor is a reap that was killed long ago."""
    assert desk.bucket.reaped_by(NAME) == ""
    desk.bucket.write(RECORD)
    path = f"{NAME}/environment.json.immtf-lease"
    desk.put(path, lease_text(LEASE))
    assert desk.bucket.reaped_by(NAME) == ""
    desk.age(path, 300)
    with desk.left(tmp_path)[0].hold():
        assert "run r9 (reap) of eve@here" in desk.bucket.reaped_by(NAME)
        desk.age(path, 300)
        assert desk.bucket.reaped_by(NAME) == ""


LOCK = json.dumps({"ID": "1", "Who": "ada@there", "Created": "2027-01-15T08:00:00Z", "Operation": "OperationTypeApply"})


def test_a_lock_of_terraform_s_that_somebody_may_hold_is_left_and_whose_it_is_told(desk: Desk, tmp_path: Path) -> None:
    """F43: also where a test of this home made it: another machine's Terraform may be at work."""
    desk.bucket.write(RECORD)
    write(tmp_path / NAME / "environment.json", RECORD)
    path = f"{NAME}/consul/terraform.tfstate.tflock"
    desk.put(path, LOCK)
    (left,) = desk.left(tmp_path)
    with pytest.raises(LeaseHeld, match="of ada@there since 2027-01-15T08:00:00Z"):
        left.free()
    assert len(desk.keys()) == 2
    desk.age(path, LOCK_S + 60)
    (told,) = left.free()
    assert told.endswith(
        "terraform.tfstate.tflock, which a killed Terraform left: ada@there since 2027-01-15T08:00:00Z (OperationTypeApply)"
    )
    assert len(desk.keys()) == 1


def test_a_lock_of_this_machine_s_terraform_goes_at_once(desk: Desk, tmp_path: Path) -> None:
    """F43: no Terraform is at work in the environment's work trees here, else it would not be held."""
    desk.bucket.write(RECORD)
    desk.put(f"{NAME}/consul/terraform.tfstate.tflock", LOCK.replace("there", platform.node()))
    (left,) = desk.left(tmp_path)
    with pytest.raises(LeaseHeld):
        left.free()
    write(tmp_path / NAME / "environment.json", RECORD)
    assert len(left.free()) == 1


def test_only_the_environments_directories_are_listed(url: str, tmp_path: Path) -> None:
    """Without a prefix they are beside everything else in the bucket."""
    config = {"bucket": BUCKET, "key": "{environment}-x/{block}/terraform.tfstate", "region": REGION, "use_path_style": True}
    bucket = Bucket(Backend("s3", config), aws(url), KEYS)
    s3: Any = s3_client(S3Place(bucket=BUCKET, key="", path_style=True), aws(url), KEYS, timeout_s=20)
    asked: list[dict[str, Any]] = []
    bucket._client.meta.events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: asked.append(dict(params)))
    for key in ("logs/2026/environment.json", f"{OTHER}/environment.json", f"{OTHER}-x/other.json"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    bucket.write(RECORD)
    (left,) = bucket.environments(lambda name: (tmp_path / name, tmp_path / name), make_hands(), generated=True)
    assert (left.environment, left.where) == (NAME, f"s3://{BUCKET}/{NAME}-x/environment.json")
    assert [(row["Prefix"], row["Delimiter"]) for row in asked] == [("", "/")]
    bucket.remove(NAME)


def test_one_record_that_may_not_be_read_is_told_and_keeps_no_other(desk: Desk, tmp_path: Path) -> None:
    """F43."""
    desk.bucket.write(RECORD)
    desk.bucket.write(replace(RECORD, environment=OTHER))

    def refuse(params: dict[str, Any], **_more: Any) -> None:
        if NAME in params["Key"]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    desk.bucket._client.meta.events.register("provide-client-params.s3.GetObject", refuse)
    one, other = desk.left(tmp_path)
    assert (one.record, "no" in one.problem, other.record) == (None, True, replace(RECORD, environment=OTHER))
