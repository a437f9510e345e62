"""What `--from` means: told apart by its form, and what is in an image is compared with this version before anything is made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from immtf.adapters.clock import Signals, WallClock
from immtf.cli.options import Options
from immtf.cli.source import container_source, source_of
from immtf.errors import ContainerFailed, ImmtfError, UsageError, VersionsUnresolved
from immtf.model.container import DIRECTORY, ROOT, VERSION, ContainerImage
from immtf.plan.config import load_block
from tests.fakes.containers import FakeContainers

BLOCKS = Path(__file__).parents[3] / "terraform"
NAME = "consul-block:1.0.0"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (NAME, f"for a container image: --from image:{NAME}"),
        ("registry/x/consul-block:1.0.0", "--from image:registry/x/consul-block:1.0.0"),
        (f"consul@sha256:{'0' * 64}", f"--from image:consul@sha256:{'0' * 64}"),
        ("image:", "--from image:consul-block:1.0.0"),
        ("image:Not An Image", "--from image:consul-block:1.0.0"),
        ("git:--exec=touch x", "--from git:v1.0.0"),
    ],
    ids=["tag", "registry", "digest", "nothing", "no name", "an option of git"],
)
def test_what_is_meant_is_said(source: str, told: str) -> None:
    with pytest.raises(UsageError) as caught, source_of(source, Options(block=BLOCKS / "blocks/consul")):
        pass
    assert told in caught.value.next


@pytest.mark.parametrize("source", ["1.0.0", "ami-0123"])
def test_versions_are_versions(source: str) -> None:
    with source_of(source, Options(block=BLOCKS / "blocks/consul")) as before:
        assert (before.image, before.block) == (source, None)


@pytest.mark.parametrize("source", ["./no:where", "../x/y:1", "nowhere/at/all"])
def test_paths_are_paths(source: str) -> None:
    with pytest.raises(ImmtfError) as caught, source_of(source, Options(block=BLOCKS / "blocks/consul")):
        pass
    assert "image:" not in caught.value.next


def in_image(
    tmp_path: Path, *, version: str = "1.0.0", change: tuple[str, str] = ("", ""), **labels: str
) -> tuple[FakeContainers, ContainerImage]:
    tree = tmp_path / "tree"
    shutil.copytree(BLOCKS, tree)
    file = tree / "blocks/consul/immtf.yaml"
    file.write_text(file.read_text().replace("version: 1.1.0", f"version: {version}").replace(*change))
    found = ContainerImage(NAME, "i-1", {DIRECTORY: "/block/blocks/consul", ROOT: "/block", VERSION: "1.0.0", **labels})

    def unpack(into: Path) -> None:
        shutil.copytree(tree, into)

    return FakeContainers(WallClock(Signals()), {NAME: found}, {"/block": unpack}), found


def test_a_block_is_read_out_of_its_image(tmp_path: Path) -> None:
    engine, image = in_image(tmp_path)
    before = container_source(engine, image, load_block(BLOCKS / "blocks/consul"), tmp_path / "out")
    assert before.block is not None
    assert (before.block.version, before.block.directory) == ("1.0.0", tmp_path / "out/blocks/consul")
    assert before.container is not None
    assert before.container.image == image


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"change": ("block: consul", "block: etcd")}, VersionsUnresolved, "lacks the contract"),
        ({"version": "1.0.5"}, VersionsUnresolved, "its label says version 1.0.0, and the block in it is 1.0.5"),
        ({DIRECTORY: "/elsewhere"}, UsageError, "its block is at /elsewhere, in /block"),
        ({DIRECTORY: "/block/../../etc"}, UsageError, "its block is at /block/../../etc"),
        ({DIRECTORY: "/opt/x", ROOT: "/opt"}, ContainerFailed, "has no directory /opt"),
        ({DIRECTORY: "", ROOT: ""}, UsageError, "holds no block"),
    ],
    ids=["contract", "label", "apart", "upwards", "gone", "none"],
)
def test_an_image_that_will_not_do_is_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, str], error: type[ImmtfError], told: str
) -> None:
    engine, image = in_image(tmp_path, **settings)  # type: ignore[arg-type]  # labels and settings alike
    with pytest.raises(error) as caught:
        container_source(engine, image, load_block(BLOCKS / "blocks/consul"), tmp_path / "out")
    assert told in caught.value.what


def test_an_image_without_labels_tells_its_block_by_its_environment() -> None:
    image = ContainerImage(NAME, "i-1", {}, {"IMMTF_BLOCK": "/block"})
    assert (image.directory, image.root) == ("/block", "/block")
