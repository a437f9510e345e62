"""Records of test environments beside their states in S3: written first, found again, and gone last. Against moto on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters import tether
from immtf.adapters.lease.backend import S3Place
from immtf.adapters.lease.store import s3_client
from immtf.adapters.records import Bucket, write
from immtf.errors import ImmtfError
from immtf.model.environment import Backend
from immtf.model.lease import Holder, LeaseRecord
from immtf.plan.lease import freed, lease_text
from immtf.plan.reaping import new_record, record_text
from tests.contract.lease_stores import BUCKET, KEYS, REGION, aws, moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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

    def put(self, path: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=text.encode())

    def left(self, home: Path) -> tuple[Left, ...]:
        return self.bucket.environments(lambda name: (home / name, home / name))

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
    assert not left.running()


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
    assert [left.environment for left in desk.bucket.environments(everywhere)] == ["production", NAME], "as a lab may be named"
    assert [left.environment for left in desk.bucket.environments(everywhere, generated=True)] == [NAME]


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


@pytest.mark.parametrize(
    ("text", "running"),
    [(lease_text(LEASE), True), (lease_text(freed(LEASE)), False), ("?", True)],
    ids=["renewed", "given back", "not to be read"],
)
def test_a_test_elsewhere_is_at_work_as_long_as_it_renews_its_lease(desk: Desk, tmp_path: Path, text: str, running: bool) -> None:
    """F48: by S3's own clock."""
    desk.bucket.write(RECORD)
    desk.put(f"{NAME}/consul/terraform.tfstate.immtf-lease", text)
    assert desk.left(tmp_path)[0].running() is running


def test_a_lock_that_may_be_at_work_is_left(desk: Desk, tmp_path: Path) -> None:
    """F43: one of before is removed; of this one nobody knows yet."""
    desk.bucket.write(RECORD)
    desk.put(f"{NAME}/consul/terraform.tfstate.tflock", "{}")
    assert desk.left(tmp_path)[0].free() == ()
    assert len(desk.keys()) == 2


def test_a_test_of_this_machine_is_known_to_be_dead_by_its_locks(desk: Desk, tmp_path: Path) -> None:
    """F43: nobody waits for its lease then, nor for Terraform's lock to grow old."""
    desk.bucket.write(RECORD)
    write(tmp_path / NAME / "environment.json", RECORD)
    desk.put(f"{NAME}/consul/terraform.tfstate.immtf-lease", lease_text(LEASE))
    desk.put(f"{NAME}/consul/terraform.tfstate.tflock", "{}")
    (left,) = desk.left(tmp_path)
    with tether.held(tmp_path / NAME / "test.lock"):
        assert left.running()
    assert not left.running()
    assert [text.rpartition("/")[2] for text in left.free()] == ["terraform.tfstate.tflock, which a killed Terraform left"]
    assert not any(key.endswith(".tflock") for key in desk.keys())  # noqa: SIM118 - it is no mapping


@pytest.mark.parametrize(
    ("kind", "key", "serves"),
    [
        ("s3", "a/{environment}/{block}/terraform.tfstate", True),
        ("s3", "{environment}/{block}.tfstate", True),
        ("s3", "{environment}/terraform.tfstate", True),
        ("s3", "{block}/{environment}/terraform.tfstate", False),
        ("s3", "{environment}-{block}.tfstate", False),
        ("s3", "", False),
        ("http", "a/{environment}/{block}", False),
    ],
)
def test_records_are_kept_where_an_environment_has_a_directory_of_its_own(kind: str, key: str, serves: bool) -> None:
    assert Bucket.serves(Backend(kind, {"key": key})) is serves
