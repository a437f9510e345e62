"""A lock becomes directories: what is unpacked is what was locked, whole, and a changed content is refused with the way out."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.clock import Signals, WallClock
from immtf.adapters.published import blocks_of, content_digest
from immtf.adapters.published.materialised import placed
from immtf.errors import ContainerFailed, ImmtfError, UsageError
from immtf.model.container import DIRECTORY, ROOT, ContainerImage
from immtf.model.lock import Lock
from immtf.model.published import Place, Published
from immtf.plan.config import load_block
from immtf.plan.lockfile import lock_text
from tests.fakes.containers import FakeContainers
from tests.fakes.publishing import commit, git, write_block

if TYPE_CHECKING:
    from pathlib import Path

SHA = f"sha256:{'1' * 64}"
CALLS = 'module "node" { source = "../../modules/node" }\n'


def write_lock(directory: Path, *blocks: Published) -> Path:
    file = directory / "immtf.lock"
    file.write_text(lock_text(Lock({}, {one.name: one for one in blocks})))
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return an infrastructure whose block uses a module beside it."""
    place = tmp_path / "infra"
    (place / "modules/node").mkdir(parents=True)
    (place / "modules/node/main.tf").write_text('resource "terraform_data" "node" {}\n')
    write_block(place / "blocks/consul", "consul 1.0.0", {}, CALLS)
    return place


def in_directory(tree: Path) -> Published:
    place = tree / "blocks/consul"
    return Published("consul", "1.0.0", {}, Place("directory", "infra/blocks/consul"), content_digest(load_block(place)))


def in_git(tree: Path) -> Published:
    git(tree, "init", "--quiet")
    made = commit(tree, "consul/1.0.0")
    return Published("consul", "1.0.0", {}, Place("git", "infra", "consul/1.0.0", "blocks/consul"), f"git:{made}")


def test_of_a_directory_a_copy_is_run_which_has_all_that_was_compared(tree: Path, tmp_path: Path) -> None:
    """What is changed in the directory after the comparison, by an editor or a checkout, is in no run of it."""
    (tree / "shared.tf").write_text('output "x" { value = 1 }\n')
    (tree / "blocks/consul/shared.tf").symlink_to("../../shared.tf")
    (tree / "blocks/consul/same.tf").symlink_to("main.tf")
    (tree / "blocks/consul/empty").mkdir()
    (tree / "blocks/consul/run.sh").touch(mode=0o755)
    one, said = in_directory(tree), []
    lock = write_lock(tmp_path, one)
    block = blocks_of(lock, tmp_path / "home", say=said.append)["consul"]
    assert block.directory == tmp_path / f"home/blocks/consul/1.0.0-{one.digest[7:19]}/tree/blocks/consul"
    (tree / "modules/node/main.tf").write_text("# changed meanwhile\n")
    assert content_digest(block) == one.digest
    copy = block.directory
    assert sorted(path.name for path in copy.iterdir()) == ["empty", "immtf.yaml", "main.tf", "run.sh", "same.tf", "shared.tf"]
    assert (copy / "shared.tf").read_text() == (tree / "shared.tf").read_text()
    assert not (copy / "shared.tf").is_symlink(), "its text is no content: what it leads to counts"
    assert (copy / "same.tf").is_symlink()
    assert (copy / "run.sh").stat().st_mode & 0o100
    assert len(said) == 1


def test_what_a_link_leads_to_outside_counts(tree: Path, tmp_path: Path) -> None:
    (tree / "shared.tf").write_text("# one\n")
    (tree / "blocks/consul/shared.tf").symlink_to("../../shared.tf")
    lock = write_lock(tmp_path, in_directory(tree))
    (tree / "shared.tf").write_text("# other\n")
    with pytest.raises(UsageError, match="was changed since it was locked"):
        blocks_of(lock, tmp_path / "home")
    (tree / "blocks/consul/more").symlink_to("../../modules")
    with pytest.raises(UsageError, match="a link to a directory outside of the block"):
        content_digest(load_block(tree / "blocks/consul"))


def test_a_link_with_an_absolute_path_leads_to_no_copy(tree: Path, tmp_path: Path) -> None:
    """Not even one within the block: what is run would be what it leads to, and that may change."""
    place = tree / "blocks/consul"
    (place / "own.txt").symlink_to(place / "main.tf")
    block = blocks_of(write_lock(tmp_path, in_directory(tree)), tmp_path / "home")["consul"]
    assert not (block.directory / "own.txt").is_symlink()
    (place / "here").symlink_to(place)
    with pytest.raises(UsageError, match="a link to a directory by an absolute path"):
        content_digest(load_block(place))


def test_versions_of_providers_are_those_that_stand_in_the_directory_now(tree: Path, tmp_path: Path) -> None:
    pins, lock = tree / "blocks/consul/.terraform.lock.hcl", write_lock(tmp_path, in_directory(tree))
    for text in ("# one\n", "# two\n"):
        pins.write_text(text)
        block = blocks_of(lock, tmp_path / "home")["consul"]
        assert (block.directory / pins.name).read_text() == text


def test_a_directory_that_is_changed_while_it_is_copied_is_refused(tree: Path, tmp_path: Path) -> None:
    lock = write_lock(tmp_path, in_directory(tree))
    with pytest.raises(UsageError, match="was changed since it was locked"):
        blocks_of(lock, tmp_path / "home", say=lambda _text: (tree / "modules/node/main.tf").unlink())
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


@pytest.mark.parametrize("file", ["blocks/consul/main.tf", "modules/node/main.tf", "blocks/consul/more.txt"])
def test_a_directory_that_was_changed_is_refused(tree: Path, tmp_path: Path, file: str) -> None:
    """Its modules count too, wherever they lie: what a run would apply is not what was resolved."""
    lock = write_lock(tmp_path, in_directory(tree))
    with (tree / file).open("a") as more:
        more.write("# more\n")
    with pytest.raises(UsageError, match="was changed since it was locked") as caught:
        blocks_of(lock, tmp_path / "home")
    assert "immtf resolve" in caught.value.next


def test_what_terraform_keeps_beside_a_block_is_no_change(tree: Path, tmp_path: Path) -> None:
    lock = write_lock(tmp_path, in_directory(tree))
    for name in (".terraform.lock.hcl", "terraform.tfstate", "node.tfplan"):
        (tree / "blocks/consul" / name).write_text("x")
    (tree / "blocks/consul/.terraform").mkdir()
    assert list(blocks_of(lock, tmp_path / "home")) == ["consul"]


def test_the_digest_is_of_content_and_of_what_may_be_run(tree: Path) -> None:
    block = load_block(tree / "blocks/consul")
    before = content_digest(block)
    moved = shutil.copytree(tree, tree.with_name("moved"))
    assert content_digest(load_block(moved / "blocks/consul")) == before
    (tree / "blocks/consul/main.tf").chmod(0o755)
    assert content_digest(block) != before
    (tree / "blocks/consul/main.tf").chmod(0o644)
    (tree / "blocks/consul/link").symlink_to("main.tf")
    assert content_digest(block) != before


def test_a_commit_is_unpacked_whole_and_once(tree: Path, tmp_path: Path) -> None:
    one = in_git(tree)
    lock, said = write_lock(tmp_path, one), []
    write_block(tree / "blocks/consul", "consul 2.0.0")
    for _ in range(2):
        block = blocks_of(lock, tmp_path / "home", say=said.append)["consul"]
    commit_id = one.digest.removeprefix("git:")
    assert block.directory == tmp_path / f"home/blocks/consul/1.0.0-{commit_id[:12]}/tree/blocks/consul"
    assert (block.directory / "../../modules/node/main.tf").is_file()
    assert block.version == "1.0.0"
    assert len(said) == 1


def test_a_copy_that_was_changed_is_refused_and_made_anew_when_it_is_moved_away(tree: Path, tmp_path: Path) -> None:
    lock = write_lock(tmp_path, in_git(tree))
    block = blocks_of(lock, tmp_path / "home")["consul"]
    (block.directory / "main.tf").write_text("# mine\n")
    with pytest.raises(UsageError, match=r"this copy of consul 1\.0\.0 was changed") as caught:
        blocks_of(lock, tmp_path / "home")
    shutil.rmtree(caught.value.where)
    assert (blocks_of(lock, tmp_path / "home")["consul"].directory / "main.tf").read_text() == CALLS


def test_half_a_copy_of_a_killed_run_is_none(tree: Path, tmp_path: Path) -> None:
    one = in_git(tree)
    draft = tmp_path / "home/blocks/consul/.1.0.0-abc.1234"
    (draft / "tree").mkdir(parents=True)
    blocks_of(write_lock(tmp_path, one), tmp_path / "home")
    assert [path.name for path in sorted(draft.parent.iterdir()) if not path.name.startswith(".")] == [f"1.0.0-{one.digest[4:16]}"]


def test_a_commit_that_the_repository_does_not_have(tree: Path, tmp_path: Path) -> None:
    lock = write_lock(tmp_path, replace(in_git(tree), digest=f"git:{'0' * 40}"))
    with pytest.raises(ImmtfError, match="is not to be had") as caught:
        blocks_of(lock, tmp_path / "home")
    assert "git fetch --tags" in caught.value.next
    assert list((tmp_path / "home/blocks/consul").iterdir()) == []


def test_a_tree_with_a_link_that_leads_out_is_not_unpacked(tree: Path, tmp_path: Path) -> None:
    (tree / "out").symlink_to("/etc/hostname")
    lock = write_lock(tmp_path, in_git(tree))
    with pytest.raises(ImmtfError, match="can't be unpacked"):
        blocks_of(lock, tmp_path / "home")
    assert list((tmp_path / "home/blocks/consul").iterdir()) == []


def image(
    tree: Path, *, image_id: str = SHA, directory: str = "/block/blocks/consul", reference: str = "consul-block:1.0.0"
) -> FakeContainers:
    found = ContainerImage(reference, image_id, {DIRECTORY: directory, ROOT: "/block"})
    return FakeContainers(WallClock(Signals()), {reference: found}, {"/block": lambda into: shutil.copytree(tree, into)})


IN_IMAGE = Published("consul", "1.0.0", {}, Place("image", "consul-block", "1.0.0"), SHA)


def test_an_image_is_read_without_being_started(tree: Path, tmp_path: Path) -> None:
    engine = image(tree)
    block = blocks_of(write_lock(tmp_path, IN_IMAGE), tmp_path / "home", containers=lambda: nullcontext(engine))["consul"]
    assert block.directory == tmp_path / "home/blocks/consul/1.0.0-111111111111/tree/blocks/consul"
    assert engine.there == {}


def test_an_image_of_a_registry_is_pulled_by_its_digest(tree: Path, tmp_path: Path) -> None:
    engine = image(tree, image_id="sha256:another", reference=f"host/consul-block@{SHA}")
    one = replace(IN_IMAGE, place=Place("registry", "host/consul-block", "1.0.0"))
    assert list(blocks_of(write_lock(tmp_path, one), tmp_path / "home", containers=lambda: nullcontext(engine))) == ["consul"]


@pytest.mark.parametrize(
    ("engine", "error", "told"),
    [
        ({"image_id": f"sha256:{'2' * 64}"}, UsageError, "is another image than the one that was locked"),
        ({"directory": "/elsewhere"}, ImmtfError, "don't say where"),
        ({"reference": "x:1"}, ContainerFailed, "is not here"),
    ],
    ids=["moved tag", "odd labels", "gone"],
)
def test_an_image_that_is_not_the_locked_one_is_refused(
    tree: Path, tmp_path: Path, engine: dict[str, str], error: type[ImmtfError], told: str
) -> None:
    with pytest.raises(error, match=told):
        blocks_of(write_lock(tmp_path, IN_IMAGE), tmp_path / "home", containers=lambda: nullcontext(image(tree, **engine)))
    assert not (tmp_path / "home/blocks/consul/1.0.0-111111111111").exists()


def test_another_block_than_the_locked_one_is_refused(tree: Path, tmp_path: Path) -> None:
    lock = write_lock(tmp_path, in_directory(tree))
    write_block(tree / "blocks/consul", "consul 1.1.0", {}, CALLS)
    with pytest.raises(UsageError, match=r"the lock has consul 1\.0\.0, and here is consul 1\.1\.0"):
        blocks_of(lock, tmp_path / "home")


@pytest.mark.parametrize(("content", "told"), [(None, "can't be read"), (b"\xff\xfe", "is no text"), (b"{", "is no lock file")])
def test_a_lock_that_cannot_be_read(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "immtf.lock"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        blocks_of(file, tmp_path / "home")


def test_relative_places_are_meant_from_the_lock_on(tmp_path: Path) -> None:
    absolute = Place("directory", str(tmp_path))
    assert placed(absolute, tmp_path / "immtf.lock") == absolute
    assert placed(Place("image", "consul-block", "1.0.0"), tmp_path / "x.lock") == Place("image", "consul-block", "1.0.0")
    here = placed(Place("git", "."), tmp_path / "x.lock").where
    assert (tmp_path / here).resolve() == (tmp_path / here).resolve().cwd()
