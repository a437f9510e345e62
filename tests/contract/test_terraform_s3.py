"""A state in S3, as it is kept most: Terraform's own backend with its lock file, against moto on loopback. Real Terraform."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform import StateLocked, TerraformLimits, live_children
from immtf.adapters.terraform.copies import Copies
from immtf.adapters.terraform.stored import stored_state
from immtf.adapters.terraform.unsaved import StateUnsaved
from immtf.errors import CloudFailed, ToolMissing
from tests.contract.lease_stores import BUCKET, KEYS, REGION, aws, moto
from tests.contract.terraform_world import (
    BINARY,
    ONE,
    SLOW,
    World,
    apply_all,
    child_environment,
    in_background,
    make_world,
    needs_terraform,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.terraform, needs_terraform]
KEY = "consul/terraform.tfstate"
HELD = {
    "ID": "0a1b",
    "Operation": "OperationTypeApply",
    "Who": "ada@elsewhere",
    "Version": "1.9.0",
    "Created": "2026-01-02T03:04:05Z",
    "Path": f"{BUCKET}/{KEY}",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto() as url:
        yield url


class Bucket:
    """What lies in the bucket, past Terraform."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = aws(url).client("s3")
        for row in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            self.client.delete_object(Bucket=BUCKET, Key=row["Key"])

    @property
    def keys(self) -> list[str]:
        return [row["Key"] for row in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def get(self, key: str = KEY) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return document

    def put(self, document: dict[str, Any], key: str = KEY) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())

    @property
    def backend(self) -> str:
        """The configuration that keeps the state here."""
        settings = {"bucket": BUCKET, "key": KEY, "region": REGION, "access_key": "lab", "secret_key": "lab"}
        on = ("use_path_style", "use_lockfile", "skip_credentials_validation", "skip_metadata_api_check", "skip_requesting_account_id")
        lines = [f'    {name} = "{value}"' for name, value in settings.items()] + [f"    {name} = true" for name in on]
        lines.append(f'    endpoints = {{ s3 = "{self.url}" }}')
        return "\n".join(['terraform {\n  backend "s3" {', *lines, "  }\n}\n"])


@pytest.fixture
def bucket(url: str) -> Bucket:
    return Bucket(url)


def make_stored(tmp_path: Path, bucket: Bucket) -> World:
    """Return a world with a state in the bucket."""
    world = make_world(tmp_path, bucket.backend + ONE)
    apply_all(world.ready())
    return world


def test_a_copy_is_kept_before_each_apply(tmp_path: Path, bucket: Bucket) -> None:
    """F8: pulled from S3, at the cost of one Terraform start."""
    world = make_stored(tmp_path, bucket)
    before, terraform = bucket.get(), world.cli(variables={"v": "2"})
    apply_all(terraform)
    assert terraform.copy is not None
    copy = json.loads(terraform.copy.read_text())
    assert (copy["serial"], copy["lineage"], copy["resources"]) == (before["serial"], before["lineage"], before["resources"])
    assert [run.command for run in terraform.runs] == ["plan", "show", "state pull", "apply"]


def test_a_held_lock_names_its_holder_and_nothing_is_touched(tmp_path: Path, bucket: Bucket) -> None:
    """F10: waited for up to the limit; the holder's own record is told: who, since when, for what, and the lock's id."""
    world = make_stored(tmp_path, bucket)
    bucket.put(HELD, f"{KEY}.tflock")
    before, terraform = bucket.get(), world.cli(variables={"v": "2"}, limits=TerraformLimits(lock_s=1))
    with pytest.raises(StateLocked, match=r"locked by ada@elsewhere since 2026-01-02 03:04:05 .*for apply \(lock 0a1b\)") as locked:
        terraform.plan()
    assert "force-unlock 0a1b" in locked.value.next
    assert terraform.runs[-1].seconds >= 1
    assert [run.command for run in terraform.runs] == ["plan"]
    assert (bucket.get(), bucket.get(f"{KEY}.tflock")) == (before, HELD)
    assert "waiting" in world.kinds()
    assert [path for path in world.scratch.iterdir() if path.is_file()] == []


def test_a_lock_that_a_kill_left_is_named_and_broken_only_by_the_command(tmp_path: Path, bucket: Bucket) -> None:
    """F8, F7: SIGKILL in mid-apply leaves the lock and the state from before; the message's own command breaks the one."""
    world = make_world(tmp_path, bucket.backend + SLOW % 30)
    terraform = world.ready()
    saved = terraform.plan()
    thread, raised = in_background(lambda: terraform.apply(saved))
    wait_for(world.root / "begun")
    (child,) = live_children(world.root)
    os.killpg(child, signal.SIGKILL)
    thread.join()
    assert "was ended by signal 9" in str(raised[0])
    assert bucket.keys == [f"{KEY}.tflock"]
    left = bucket.get(f"{KEY}.tflock")
    with pytest.raises(StateLocked) as locked:
        world.cli().plan()
    lock = locked.value.lock
    assert (lock.id, lock.who, lock.created[:10]) == (left["ID"], left["Who"], left["Created"][:10])
    assert bucket.get(f"{KEY}.tflock") == left
    assert f"force-unlock {lock.id}" in locked.value.next
    command = [BINARY, "force-unlock", "-force", lock.id]
    subprocess.run(command, cwd=world.root, env=child_environment(), check=True, capture_output=True)
    world.write(bucket.backend + SLOW % 0)
    apply_all(world.cli())
    assert bucket.keys == [KEY]


def test_a_lock_that_keeps_a_state_from_being_pushed_is_not_broken(tmp_path: Path, bucket: Bucket) -> None:
    """F8, F9: the file stays, and the lock's holder and command come first in what to do next."""
    world = make_stored(tmp_path, bucket)
    state = bucket.get()
    file = world.root / "errored.tfstate"
    file.write_text(json.dumps(state | {"serial": state["serial"] + 1, "outputs": {"o": {"value": "1", "type": "string"}}}))
    Copies(world.scratch, world.root).keep(json.dumps(state), state["serial"])  # as the apply that left the file did before it began
    bucket.put(HELD, f"{KEY}.tflock")
    with pytest.raises(StateUnsaved, match=r"tried 1 times: .*ada@elsewhere") as unsaved:
        world.cli().plan()
    assert unsaved.value.next.index("force-unlock 0a1b") < unsaved.value.next.index("state push errored.tfstate")
    assert (bucket.get(), bucket.get(f"{KEY}.tflock"), file.exists()) == (state, HELD, True)
    bucket.client.delete_object(Bucket=BUCKET, Key=f"{KEY}.tflock")
    world.cli().plan()
    assert bucket.get()["outputs"] == {"o": {"value": "1", "type": "string"}}
    assert not file.exists()


def test_a_state_of_a_newer_terraform_is_refused_before_a_plan(tmp_path: Path, bucket: Bucket) -> None:
    """F50: what Terraform itself tells of such a state has its own version in it, so the object is read as it stands."""
    world = make_stored(tmp_path, bucket)
    bucket.put(bucket.get() | {"terraform_version": "99.1.0"})
    plain = world.cli()
    assert json.loads(plain._quick(("state", "pull")))["terraform_version"] == plain.version(), "or it need not be read from S3"
    later = world.cli(stored=lambda: stored_state(world.root, KEYS, aws(bucket.url)))
    with pytest.raises(ToolMissing, match=r"written by \S+ 99\.1\.0, and this is") as missing:
        later.init()
    assert missing.value.where == str(world.root)
    assert [run.command for run in later.runs] == ["init", "version"]
    bucket.client.delete_object(Bucket=BUCKET, Key=KEY)
    later.init()


def test_where_the_object_may_not_be_read_that_is_told(tmp_path: Path, bucket: Bucket) -> None:
    """F50: Terraform may have rights that this process has not; it is told and not taken for an old state silently."""
    world = make_stored(tmp_path, bucket)

    def denied() -> str:
        raise CloudFailed("GetObject: AccessDenied", code="AccessDenied")

    world.cli(stored=denied).init()
    assert [event.message for event in world.events if event.kind == "note"] == [
        "who wrote the state could not be looked at: GetObject: AccessDenied"
    ]
