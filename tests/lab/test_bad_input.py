"""Bad input: what is wrong, where, and what to do next; nothing is touched, nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.rehearsal import Rehearsal

LIMIT_S = 60.0
MISTAKES = """block: consul
version: 1.1
terraform: .
image: { variable: image_id, famly: consul, version: "~> 1.1" }
clusters:
  server:
    nodes: module.server
    stratgy: replace
    gates:
      - mountd
      - consul: { expect: three }
"""


def test_every_mistake_in_the_blocks_file_at_once(rehearsal: Rehearsal) -> None:
    file = rehearsal.copy_block() / "immtf.yaml"
    file.write_text(MISTAKES)

    ended = rehearsal.run("plan", limit_s=LIMIT_S).expect(2)

    for place, told in [("2:10", "1.1"), ("4:30", "family"), ("8:5", "strategy"), ("10:9", "mounted"), ("11:27", "expect")]:
        assert any(f"{file}:{place}:" in line and told in line for line in ended.stderr.splitlines()), f"{place} {told}: {ended.stderr}"
    assert rehearsal.left() == [], "no lab was started for a file that can't be read"


@pytest.mark.parametrize("command", ["test-create", "test-upgrade"])
def test_nobody_to_ask(rehearsal: Rehearsal, command: str) -> None:
    ended = rehearsal.run(command, limit_s=LIMIT_S).expect(2)
    assert "there is no terminal to ask at" in ended.stderr
    assert "--yes" in ended.stderr
    assert rehearsal.left() == []


def test_no_such_block(rehearsal: Rehearsal) -> None:
    rehearsal.block = rehearsal.directory / "nowhere"
    ended = rehearsal.run("plan", limit_s=LIMIT_S).expect(2)
    assert str(rehearsal.directory) in ended.stderr
    assert "next:" in ended.stderr


@pytest.mark.parametrize("region", [{}, {"AWS_REGION": "eu-west-1"}], ids=["no-region", "region"])
def test_no_credentials(rehearsal: Rehearsal, tmp_path: Path, region: dict[str, str]) -> None:
    block = rehearsal.copy_block()
    before = sorted(block.rglob("*"))
    ended = rehearsal.run("plan", lab=False, limit_s=LIMIT_S, variables={"HOME": str(tmp_path / "nobody"), **region}).expect(1)
    told = ended.stdout + ended.stderr
    assert ("usable AWS credentials" if region else "no AWS region") in told
    assert "--lab" in told, "what to do next is said"
    assert sorted(block.rglob("*")) == before


def test_no_terraform(rehearsal: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    missing = {"PATH": str(tmp_path / "bin"), "IMMTF_TERRAFORM": ""}
    ended = rehearsal.run("create", "--yes", limit_s=LIMIT_S, variables=missing).expect(1)
    assert "terraform" in ended.stderr
    assert "IMMTF_TERRAFORM" in ended.stderr
    assert "next:" in ended.stderr
    assert rehearsal.left() == []


@pytest.mark.lab(minutes=2)
def test_refused_before_anything_is_touched(rehearsal: Rehearsal) -> None:
    """A block without nodes, nobody to ask, an unknown node, and a volume that nobody can find."""
    for command in ("status", "upgrade"):
        told = rehearsal.run(command).expect(24).one("run_halted")
        assert "no node at module.server" in told["what"]
        assert "immtf create" in told["next"]
        assert told["safe"] in {"nothing was touched", "no node is made yet"}
    rehearsal.create("1.0.0")
    made = rehearsal.cloud.instances()

    assert "no terminal" in rehearsal.run("upgrade").expect(2).one("run_halted")["what"]
    unknown = rehearsal.run("upgrade", "--yes", "--only", "server/aa").expect(2).one("run_halted")
    assert "server/aa" in unknown["what"]
    assert "server/a" in unknown["next"]

    volume = rehearsal.cloud.delete_volume("b")
    lost = rehearsal.run("upgrade", "--yes").expect(24)
    assert volume in lost.one("run_halted")["what"]
    assert "away: server/b, and not all of their volumes can be found" in lost.one("run_halted")["safe"]
    assert lost.of("node_started") == []
    assert [item.instance_id for item in rehearsal.cloud.machines()] == [made[node] for node in "abc"]
    assert rehearsal.cloud.instances() == {node: made[node] for node in "ac"}
