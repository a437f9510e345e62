from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.worktree import common_ancestor, mirror
from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from pathlib import Path

OVERRIDE: dict[str, Any] = {"terraform": {"backend": {"local": {"path": "/s"}}}}


def make_repository(tmp_path: Path, *, git: bool = True) -> Path:
    top = tmp_path / "repo"
    block = top / "terraform/blocks/consul"
    for directory in (block / "files", block / ".terraform", top / "terraform/modules/m", top / "terraform/blocks/base", top / ".immtf"):
        directory.mkdir(parents=True)
    (block / "main.tf").write_text('module "m" {\n  source = "../../modules/m"\n}\n')
    (block / "terraform.tfstate").write_text("{}")
    (block / ".terraform.lock.hcl").write_text("one")
    (block / "files/x").write_text("x")
    (top / "terraform/blocks/base/main.tf").write_text("")
    (top / "terraform/modules/m/main.tf").write_text("")
    if git:
        (top / ".git").mkdir()
    return block


def tree(place: Path) -> dict[str, str]:
    return {entry.name: "link" if entry.is_symlink() else "directory" if entry.is_dir() else "file" for entry in place.iterdir()}


def test_the_tree(tmp_path: Path) -> None:
    block = make_repository(tmp_path)
    place = mirror(block, tmp_path / "mirror", override=OVERRIDE)
    assert place == tmp_path / "mirror/terraform/blocks/consul"
    assert tree(tmp_path / "mirror") == {"terraform": "directory"}
    assert tree(tmp_path / "mirror/terraform") == {"modules": "link", "blocks": "directory"}
    assert tree(tmp_path / "mirror/terraform/blocks") == {"base": "link", "consul": "directory"}
    assert tree(place) == {"main.tf": "link", "files": "link", ".terraform.lock.hcl": "file", "immtf_override.tf.json": "file"}
    assert json.loads((place / "immtf_override.tf.json").read_text()) == OVERRIDE
    assert stat.S_IMODE((place / "immtf_override.tf.json").stat().st_mode) == 0o600
    assert (place / "../../modules/m/main.tf").exists()
    assert (place / "main.tf").read_text() == (block / "main.tf").read_text()


def test_again_follows_the_original_and_touches_nothing_of_terraforms(tmp_path: Path) -> None:
    block = make_repository(tmp_path)
    place = mirror(block, tmp_path / "mirror", override=OVERRIDE)
    for made in (".terraform", "terraform.tfstate.d"):
        (place / made).mkdir()
    (place / ".terraform.lock.hcl").write_text("with more hashes")
    (block / "main.tf").rename(block / "renamed.tf")
    (place / ".immtf-main.tf").symlink_to(block)  # left by a kill in the middle
    (place / "files").unlink()
    (place / "files").symlink_to(tmp_path)  # points elsewhere
    assert mirror(block, tmp_path / "mirror", override=None) == place
    assert tree(place) == {
        "renamed.tf": "link",
        "files": "link",
        ".terraform.lock.hcl": "file",
        ".terraform": "directory",
        "terraform.tfstate.d": "directory",
    }
    assert (place / "files").readlink() == block / "files"
    assert (place / ".terraform.lock.hcl").read_text() == "with more hashes"
    newer = (place / ".terraform.lock.hcl").stat().st_mtime_ns + 10**9
    os.utime(block / ".terraform.lock.hcl", ns=(newer, newer))
    mirror(block, tmp_path / "mirror", override=None)
    assert (place / ".terraform.lock.hcl").read_text() == "one"


def test_two_root_modules_share_a_destination(tmp_path: Path) -> None:
    block = make_repository(tmp_path)
    for _again in range(2):
        consul = mirror(block, tmp_path / "mirror", override=OVERRIDE)
        base = mirror(block.parent / "base", tmp_path / "mirror", override=OVERRIDE)
        assert "immtf_override.tf.json" in tree(consul)
        assert "immtf_override.tf.json" in tree(base)


def test_the_ancestor_is_as_high_as_modules_reach(tmp_path: Path) -> None:
    block = make_repository(tmp_path, git=False)
    assert common_ancestor(block) == tmp_path / "repo/terraform"
    (tmp_path / "repo/terraform/modules/m/main.tf").write_text(
        'module "n" {\n  source = "../../../../outside"\n}\nmodule "m" {\n  source = "../m"\n}\n'
    )
    assert common_ancestor(block) == tmp_path / "repo/terraform", "a module that isn't there is Terraform's to name"
    (tmp_path / "outside").mkdir()
    assert common_ancestor(block) == tmp_path
    (tmp_path / "repo/.git").mkdir()
    assert common_ancestor(block) == tmp_path


def test_a_root_module_on_its_own(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/main.tf").write_text("")
    assert mirror(tmp_path / "alone", tmp_path / "mirror", override=None) == tmp_path / "mirror"
    assert tree(tmp_path / "mirror") == {"main.tf": "link"}


def test_a_mirror_inside_the_repository(tmp_path: Path) -> None:
    block = make_repository(tmp_path)
    place = mirror(block, tmp_path / "repo/.immtf/labs/default/tree", override=OVERRIDE)
    assert tree(place)["main.tf"] == "link"


def test_a_file_in_the_way_is_named_and_kept(tmp_path: Path) -> None:
    block = make_repository(tmp_path)
    place = mirror(block, tmp_path / "mirror", override=None)
    (place / "main.tf").unlink()
    (place / "main.tf").write_text("mine")
    with pytest.raises(ImmtfError, match="a file stands where"):
        mirror(block, tmp_path / "mirror", override=None)
    assert (place / "main.tf").read_text() == "mine"


def test_no_such_root_module(tmp_path: Path) -> None:
    with pytest.raises(ImmtfError, match="no such root module"):
        mirror(tmp_path / "nosuch", tmp_path / "mirror", override=None)
