"""The block's file and the images that a lab boots fit each other and the HCL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from immtf.plan.config import load_block
from immtf.plan.versions import Constraint, Version
from tests.hcl.terraform_files import BLOCKS, ROOT, SWAP, parts

CONSUL = ROOT / "blocks/consul"
SERVICE = ROOT / "blocks/service"
BAD = Path(__file__).parents[1] / "data/images/consul"
ROOTS = {"consul": CONSUL / "lab/images/consul", "bad": BAD, "swap": SWAP / "lab/images/consul"}
IMAGES = [(kind, path.parents[1]) for kind, root in ROOTS.items() for path in sorted(root.glob("*/etc/image-version"))]

each_image = pytest.mark.parametrize("image", [path for _, path in IMAGES], ids=[f"{kind}-{path.name}" for kind, path in IMAGES])
each_block = pytest.mark.parametrize("directory", [*BLOCKS, SWAP], ids=lambda path: path.name)


@pytest.mark.parametrize("directory", [CONSUL, SERVICE, SWAP], ids=lambda path: path.name)
def test_the_blocks_file_is_without_mistakes_and_names_what_is_there(directory: Path) -> None:
    block = load_block(directory)
    variables = {part.labels[0] for part in parts(directory) if part.kind == "variable"}
    assert block.image is not None
    assert block.lab is not None
    assert block.lab.images is not None
    assert {block.image.variable, *([block.lab.network] if block.lab.network else []), *block.requires} <= variables
    assert (block.lab.images / block.image.family).is_dir()


@each_block
def test_what_a_block_uses_of_another_is_published_there(directory: Path) -> None:
    for producer, needs in load_block(directory).uses.items():
        published = {part.labels[0] for part in parts(ROOT / "blocks" / producer) if part.kind == "output"}
        assert {need.name for need in needs} <= published, producer


@each_block
def test_a_block_accepts_the_versions_of_the_others_that_are_here(directory: Path) -> None:
    for producer, constraint in load_block(directory).requires.items():
        version = load_block(ROOT / "blocks" / producer).version
        assert Constraint.parse(constraint).allows(Version.parse(version)), producer


def test_the_service_has_two_images_that_differ_in_what_they_say_and_not_in_what_they_are() -> None:
    trees = sorted((SERVICE / "lab/images/service").iterdir())
    assert [tree.name for tree in trees] == ["1.0.0", "1.1.0"]
    assert [(tree / "etc/image-version").read_text() for tree in trees] == ["1.0.0\n", "1.1.0\n"]
    files = [{str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()} for tree in trees]
    assert files[0].keys() == files[1].keys()
    assert {name for name in files[0] if files[0][name] != files[1][name]} == {
        "etc/image-version",
        "usr/lib/service/etcd",
        "usr/lib/service/web.py",
    }
    for tree in trees:
        boot = json.loads((tree / "etc/lab/boot.json").read_text())
        assert boot["mounts"] == [{"device": "/dev/xvdf", "path": "/var/lib/etcd"}]
        assert {service["name"]: service.get("after", []) for service in boot["services"]} == {"etcd": ["/var/lib/etcd"], "web": []}


@pytest.mark.parametrize("kind", ["consul", "swap"])
def test_there_is_an_image_of_this_version_and_one_before_it(kind: str) -> None:
    good = [path.name for of, path in IMAGES if of == kind]
    assert good == ["1.0.0", "1.1.0"]
    assert list(SpecifierSet("~=1.1").filter(good)) == ["1.1.0"]


@each_image
def test_an_image_tells_its_version_and_what_to_start(image: Path) -> None:
    assert (image / "etc/image-version").read_text() == f"{image.name}\n"
    boot = json.loads((image / "etc/lab/boot.json").read_text())
    assert boot["mounts"] == [{"device": "/dev/xvdf", "path": "/var/lib/consul"}]
    (service,) = boot["services"]
    swapped = image.is_relative_to(SWAP)
    assert service["after"] == (["/var/lib/consul", "interface:1"] if swapped else ["/var/lib/consul"])
    assert service["command"][:3] == ["consul", "agent", "-server"]
    own = "{address:1}" if swapped else "{address}"
    assert service["command"][-4:] == ["-bind", own, "-client", own]


@each_image
def test_a_server_that_goes_away_stays_a_voter(image: Path) -> None:
    """With autopilot's default a stopped server is removed from Raft, and quorum shrinks unseen."""
    config = json.loads((image / "etc/consul.d/image.json").read_text())
    assert config["autopilot"]["cleanup_dead_servers"] is False
    assert config["leave_on_terminate"] is False


def test_the_images_for_swap_differ_from_the_others_in_what_the_service_waits_for_and_where_it_listens() -> None:
    plain, swapped = ROOTS["consul"], ROOTS["swap"]
    files = [{path.relative_to(root): path.read_text() for path in root.rglob("*") if path.is_file()} for root in (plain, swapped)]
    assert files[0].keys() == files[1].keys()
    assert {name.name for name in files[0] if files[0][name] != files[1][name]} == {"boot.json"}


def test_the_two_versions_differ_by_their_configuration() -> None:
    one, two = (json.loads((CONSUL / f"lab/images/consul/{name}/etc/consul.d/image.json").read_text()) for name in ("1.0.0", "1.1.0"))
    assert set(two) - set(one) == {"limits", "telemetry"}
