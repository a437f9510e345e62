"""A block's own image: what comes along, where it is in the image, what it is called."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from immtf.adapters.docker.block_image import needed_by, pack
from immtf.errors import UsageError
from immtf.plan.block_image import comes_along, default_tag, make_recipe
from immtf.plan.config import load_block
from tests.fakes.world import make_block

FILE = "block: tiny\nversion: 1.0.0+a\nterraform: root\nrequires: { base: '~> 2.0' }\n"


def make_tree(top: Path) -> Path:
    """Write a block that calls a module beside it, which calls another and reads a file; and what must not come along."""
    texts = {
        "blocks/tiny/immtf.yaml": FILE,
        "blocks/tiny/root/main.tf": 'module "a" {\n  source = "../../../modules/a"\n}\n',
        "blocks/tiny/root/.terraform/x": "no",
        "blocks/tiny/root/terraform.tfstate": "no",
        "blocks/tiny/root/terraform.tfstate.backup": "no",
        "blocks/tiny/root/terraform.tfvars": "yes",
        "blocks/other/main.tf": "no",
        "modules/a/main.tf": 'module "b" {\n  source = "../b"\n}\nlocals { t = file("${path.module}/../../files/t.txt") }\n',
        "modules/b/main.tf": "",
        "modules/c/main.tf": "no",
        "files/t.txt": "yes",
        "files/other.txt": "no",
    }
    for name, text in texts.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top / "blocks/tiny"


def test_what_a_block_refers_to_comes_along_and_nothing_else(tmp_path: Path) -> None:
    block = load_block(make_tree(tmp_path))
    recipe = make_recipe(block, "immtf:latest", needed_by(block))
    assert recipe.tree == tmp_path
    packed, digest, count = pack(recipe, "sha256:base")
    with packed, tarfile.open(fileobj=packed) as tar:
        modes = {entry.name: entry.mode for entry in tar if entry.isdir()}
        names = {entry.name for entry in tar if entry.isfile()}
    assert names == {
        *("blocks/tiny/immtf.yaml", "blocks/tiny/root/main.tf", "blocks/tiny/root/terraform.tfvars"),
        *("modules/a/main.tf", "modules/b/main.tf", "files/t.txt", ".immtf.Dockerfile"),
    }
    assert count == len(names) - 1
    assert modes["blocks/tiny/root"] == 0o1777, "Terraform is initialised there, whoever runs it"
    assert modes["modules/a"] == 0o755
    (tmp_path / "modules/a/main.tf").touch()
    (tmp_path / "modules/a/main.tf").chmod(0o600)
    assert pack_digest(recipe) == digest, "neither times nor a checkout's modes count"
    (tmp_path / "files/t.txt").write_text("other")
    assert pack_digest(recipe) != digest


def pack_digest(recipe: object) -> str:
    packed, digest, _ = pack(recipe, "sha256:base")  # type: ignore[arg-type]  # a recipe
    packed.close()
    return digest


def test_the_dockerfile_that_a_person_would_write(tmp_path: Path) -> None:
    block = load_block(make_tree(tmp_path))
    assert make_recipe(block, "immtf:1", needed_by(block)).dockerfile() == (
        "FROM immtf:1\n"
        'COPY ["blocks/tiny", "/block/blocks/tiny"]\n'
        'COPY ["files/t.txt", "/block/files/t.txt"]\n'
        'COPY ["modules/a", "/block/modules/a"]\n'
        'COPY ["modules/b", "/block/modules/b"]\n'
        'ENV IMMTF_BLOCK="/block/blocks/tiny"\n'
        'LABEL immtf.block="tiny" immtf.version="1.0.0+a" immtf.block.directory="/block/blocks/tiny" immtf.block.root="/block"'
        ' immtf.requires="{\\"base\\": \\"~> 2.0\\"}"\n'
    )


def test_a_block_that_needs_nothing_else_is_three_lines_and_its_labels() -> None:
    text = make_recipe(make_block(), "immtf:latest", ()).dockerfile()
    assert text.splitlines()[:3] == ["FROM immtf:latest", 'COPY [".", "/block"]', 'ENV IMMTF_BLOCK="/block"']


def test_what_has_no_tree_in_common_is_refused() -> None:
    block = replace(make_block(), terraform=Path("/elsewhere"))
    with pytest.raises(UsageError, match="no directory in common"):
        make_recipe(block, "immtf:latest", ())


def test_a_module_that_is_not_there_is_told(tmp_path: Path) -> None:
    place = make_tree(tmp_path)
    (tmp_path / "modules/b/main.tf").write_text('module "x" {\n  source = "../nowhere"\n}\n')
    with pytest.raises(UsageError, match="is not there"):
        needed_by(load_block(place))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    place = make_tree(tmp_path)
    os.mkfifo(place / "pipe")
    block = load_block(place)
    with pytest.raises(UsageError, match="neither a file"):
        pack(make_recipe(block, "immtf:latest", needed_by(block)), "b")


@pytest.mark.parametrize(
    "name",
    [
        *(".terraform", ".git", "terraform.tfstate", "terraform.tfstate.123.backup", "crash.log", ".immtf"),
        *("tfplan", "up.tfplan", ".aws", ".ssh", ".netrc", ".env", ".terraformrc", "terraform.rc"),
    ],
)
def test_what_is_left_out(name: str) -> None:
    assert not comes_along(name)


@pytest.mark.parametrize("name", ["main.tf", ".terraform.lock.hcl", "x.tfvars", ".gitignore"])
def test_what_comes_along(name: str) -> None:
    assert comes_along(name)


def test_its_name(tmp_path: Path) -> None:
    assert default_tag(load_block(make_tree(tmp_path))) == "tiny-block:1.0.0-a"
