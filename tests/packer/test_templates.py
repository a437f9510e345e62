"""The templates, judged by Packer itself and read as text: nothing is built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2] / "packer"
IMAGES = ("base", "consul", "service")
SCRIPTS = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!"))
LIMIT_S = 120

each_image = pytest.mark.parametrize("image", IMAGES)
needs_packer = pytest.mark.skipif(shutil.which("packer") is None, reason="Packer is not installed")


def packer(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(["packer", *arguments], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def pins() -> dict[str, Any]:
    return json.loads((ROOT / "pins.json").read_text())


@needs_packer
@each_image
@pytest.mark.parametrize("more", [(), ("-var", "endpoint=http://127.0.0.1:1", "-var", "source_image=ami-1")], ids=["aws", "lab"])
def test_packer_finds_them_valid(image: str, more: tuple[str, ...]) -> None:
    ended = packer("validate", "-var", "version=1.0.0", *more, str(ROOT / image))
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@needs_packer
@each_image
def test_they_have_packers_own_form(image: str) -> None:
    assert packer("fmt", "-check", str(ROOT / image)).returncode == 0


@needs_packer
@each_image
def test_a_version_has_to_be_given_and_pins_are_read(image: str) -> None:
    assert packer("validate", str(ROOT / image)).returncode != 0
    told = packer("inspect", str(ROOT / image)).stdout
    assert all(pins()[name]["sha256"]["program"] in told for name in ("consul", "etcd"))


def test_what_is_the_same_for_every_image_is_the_same() -> None:
    for name in ("variables.pkr.hcl", "sources.pkr.hcl"):
        assert len({(ROOT / image / name).read_bytes() for image in IMAGES}) == 1, name


@each_image
def test_every_variable_is_described_typed_and_in_the_readme(image: str) -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / image).glob("*.pkr.hcl")))
    readme = (ROOT / "README.md").read_text()
    found = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    assert len(found) > 10
    for name, body in found:
        assert re.search(r'^  description = ".{10,}"$', body, re.MULTILINE), name
        assert re.search(r"^  type +=", body, re.MULTILINE), name
        assert f"`{name}`" in readme, name


def test_pins_are_whole() -> None:
    told = pins()
    assert all(told["packages"].values())
    assert all(re.fullmatch(r"[0-9a-f]{64}", sum_) for name in ("consul", "etcd") for sum_ in told[name]["sha256"].values())
    assert told["consul"]["uid"] != told["etcd"]["uid"]


def test_programs_are_those_that_the_lab_runs() -> None:
    from immtf.lab.toolchain.pins import PINS

    for name, pinned in (("consul", PINS.consul), ("etcd", PINS.etcd)):
        assert (pins()[name]["version"], pins()[name]["sha256"]["package"]) == (pinned.version, pinned.sha256)
    assert pins()["etcd"]["build"] == PINS.etcd.build


@pytest.mark.parametrize("image", ["consul", "service"])
def test_nothing_is_built_upon_what_is_not_promoted(image: str) -> None:
    """A base that nobody proved would come into everything; a named `source_image` is the caller's to answer for."""
    filters = re.search(r"source_filters = \{\n(.*?)\n  \}", (ROOT / image / "image.pkr.hcl").read_text(), re.DOTALL)
    assert filters is not None
    assert re.search(r'"tag-key" += "immtf:promoted"', filters[1])


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_versions_differ_as_those_of_the_lab_do(version: str) -> None:
    """What the templates put into /etc/consul.d says the same as the image tree that a lab boots without Packer."""
    files = ROOT / "consul" / "files" / "consul.d"
    told = json.loads((files / "image.json").read_text())
    for since in sorted((files / "since").iterdir()):
        if since.name <= version:
            for path in sorted(since.glob("*.json")):
                told |= json.loads(path.read_text())
    tree = ROOT.parent / "terraform/blocks/consul/lab/images/consul" / version / "etc/consul.d/image.json"
    assert (told.pop("server"), told.pop("data_dir")) == (True, "/var/lib/consul/data")
    assert told == json.loads(tree.read_text())


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_services_programs_are_those_of_the_lab(version: str) -> None:
    files = ROOT / "service" / "files"
    told = {name: (files / name).read_bytes() for name in ("etcd", "web", "web.py")}
    for since in sorted((files / "since").iterdir()):
        if since.name <= version:
            told |= {path.name: path.read_bytes() for path in since.iterdir()}
    tree = ROOT.parent / "terraform/blocks/service/lab/images/service" / version / "usr/lib/service"
    assert told == {path.name: path.read_bytes() for path in tree.iterdir()}


def test_no_address_stands_in_them() -> None:
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix not in (".md", ".pyc"):
            found = re.findall(r"https?://([^/\s\"'$]+)", path.read_text())
            assert set(found) <= {"developer.hashicorp.com"}, path


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_may_be_run_and_stop_at_what_is_unset(path: Path) -> None:
    text = path.read_text()
    assert os.access(path, os.X_OK)
    assert re.search(r"^set -(eu|u|euo pipefail)$", text, re.MULTILINE)
    shell = text.splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", path], capture_output=True, timeout=LIMIT_S, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    ended = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
