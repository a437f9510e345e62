"""The whole program on a block whose state is in S3 (moto, on this machine), with the real Terraform: who may work, and what is left.

Each run works in a checkout of its own with a home of its own, as on machines of their own: they share the bucket and nothing else.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from immtf.lab.guest.processes import descendants
from immtf.plan.lease import parse_lease
from tests.contract.lease_stores import BUCKET, KEYS, REGION, aws, moto
from tests.contract.terraform_world import BINARY, needs_terraform
from tests.unit.cli.program import TINY, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.model.lease import LeaseRecord

pytestmark = [pytest.mark.terraform, needs_terraform]

TTL_S = "20"
LIMIT_S = 120.0
BLOCK = """\
terraform {
  backend "s3" {
    key                         = "tiny.tfstate"
    use_path_style              = true
    use_lockfile                = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
    skip_requesting_account_id  = true
    skip_s3_checksum            = true
  }
}
variable "word" { default = "hello" }
resource "terraform_data" "this" {
  triggers_replace = var.word
  provisioner "local-exec" { command = "touch ../begun; while [ -e ../slow ]; do sleep 0.1; done" }
}
"""


@dataclass
class Checkout:
    """A machine with a checkout of the block; the bucket's name is not in the block, it comes from the environment's own file."""

    directory: Path
    url: str

    def __post_init__(self) -> None:
        """Write the block, and initialise it as its people do, with what only they know."""
        root = self.directory / "tiny"
        root.mkdir(parents=True)
        (root / "immtf.yaml").write_text(TINY)
        (root / "main.tf").write_text(BLOCK)
        given = [f"-backend-config=bucket={BUCKET}", f"-backend-config=region={REGION}", f'-backend-config=endpoints={{s3="{self.url}"}}']
        subprocess.run([BINARY, "init", "-input=false", *given], cwd=root, env=self.env, check=True, capture_output=True, timeout=LIMIT_S)

    @property
    def env(self) -> dict[str, str]:
        return environment(
            self.directory, PATH="/usr/bin:/bin", IMMTF_TERRAFORM=BINARY, IMMTF_LEASE_TTL=TTL_S, USER=self.directory.name, **KEYS
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "immtf", arguments[0], "tiny", "--output", "lines", *arguments[1:]]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, cwd=self.directory, env=self.env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and all that it said."""
        process = self.begin(*arguments)
        said, errors = process.communicate(timeout=LIMIT_S)
        return process.returncode, said + errors

    @property
    def slow(self) -> Path:
        """While this file is there, this machine's apply goes on."""
        return self.directory / "slow"

    def at_work(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin an upgrade and return it in the middle of its apply."""
        self.slow.touch()
        process = self.begin("upgrade", "--yes", *arguments)
        deadline = time.monotonic() + LIMIT_S
        while not (self.directory / "begun").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process


def kill(process: subprocess.Popen[str], *, tree: bool) -> None:
    for pid in [process.pid, *(descendants(process.pid) if tree else ())]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)


@dataclass
class World:
    url: str
    here: Checkout
    there: Checkout

    def record(self) -> LeaseRecord | None:
        client = aws(self.url).client("s3")
        return parse_lease(client.get_object(Bucket=BUCKET, Key="tiny.tfstate.immtf-lease")["Body"].read().decode())

    def resources(self) -> int:
        state = json.loads(aws(self.url).client("s3").get_object(Bucket=BUCKET, Key="tiny.tfstate")["Body"].read())
        return len(state["resources"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with moto() as url:
        made = World(url, Checkout(tmp_path / "here", url), Checkout(tmp_path / "there", url))
        yield made
        made.here.slow.unlink(missing_ok=True)
        made.there.slow.unlink(missing_ok=True)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_two_upgrades_of_one_block_at_once(world: World) -> None:
    """F11: the second ends with 22 and is told who works, where, and since when; looking is free; the first is not disturbed."""
    first = world.here.at_work()
    record = world.record()
    assert record is not None
    code, said = world.there.run("upgrade", "--yes")
    assert code == 22, said
    assert f"run {record.holder.run} (upgrade) of here@" in said
    assert f"pid {first.pid}, since {record.holder.since}" in said
    assert f"s3://{BUCKET}/tiny.tfstate.immtf-lease" in said
    assert "watched for a sign of life" in said
    code, said = world.there.run("unlock")
    assert code == 22, said
    assert f"the lease is held: run {record.holder.run}" in said
    world.here.slow.unlink()
    _, errors = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 0, errors
    done = world.record()
    assert done is not None
    assert done.free
    assert done.beat > record.beat, "it was renewed while Terraform worked"
    code, said = world.there.run("upgrade", "--yes")
    assert code == 0, said
    assert "taken over" not in said


def test_a_killed_ones_lease_is_taken_over_after_its_time(world: World) -> None:
    """F8: nothing has to be broken by hand, and whose it was is told; F11: Terraform's lock keeps the new run waiting for the old apply."""
    first = world.here.at_work()
    kill(first, tree=False)
    record = world.record()
    assert record is not None
    second = world.there.begin("upgrade", "--yes")
    time.sleep(float(TTL_S) + 4)
    assert second.poll() is None, "Terraform's lock is held by the old apply still"
    world.here.slow.unlink()
    said, errors = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 0, said + errors
    assert f"the lease was taken over (fence 2): no sign of life for {TTL_S} s from run {record.holder.run} (upgrade) of here@" in errors
    assert world.resources() == 1


def test_a_run_whose_lease_is_removed_makes_no_further_change(world: World) -> None:
    """F12: the run stops with 23 before its next call; F8: the lease is broken on an explicit command only, which says whose it is."""
    first = world.here.begin("upgrade", "--yes", "--var", "word=other")
    deadline = time.monotonic() + LIMIT_S
    while (lease := _record_or_none(world)) is None or lease.free:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)
    assert not (world.here.directory / "begun").exists(), "nothing was changed yet"
    code, said = world.there.run("unlock", "--force")
    assert (code, "immtf unlock tiny --force --yes" in said) == (2, True), said
    code, said = world.there.run("unlock", "--force", "--yes")
    assert code == 0, said
    assert f"is held: run {lease.holder.run} (upgrade) of here@" in said
    first.send_signal(signal.SIGCONT)
    told, errors = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 23, told + errors
    assert "it was removed by `immtf unlock --force`" in errors
    assert "immtf status" in errors
    assert not (world.here.directory / "begun").exists()
    assert world.there.run("unlock")[0] == 0


def test_terraforms_own_lock_is_named_and_left_to_terraform(world: World) -> None:
    """F8: a run was killed with its Terraform: who holds the state's lock is told, with the command that breaks it."""
    first = world.here.at_work()
    kill(first, tree=True)
    world.here.slow.unlink()
    code, said = world.there.run("unlock", "--force", "--yes")
    assert code == 0, said
    command = said.split("if that Terraform is surely dead: ")[1].splitlines()[0]
    assert "force-unlock" in command
    *words, lock = shlex.split(command)
    assert words[0] == BINARY
    subprocess.run([*words, "-force", lock], cwd=world.there.directory, env=world.there.env, check=True, timeout=LIMIT_S)
    code, said = world.there.run("upgrade", "--yes")
    assert code == 0, said
    assert world.resources() == 1


def _record_or_none(world: World) -> LeaseRecord | None:
    with suppress(Exception):
        return world.record()
    return None
