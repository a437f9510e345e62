"""What goes into an image, and the commit that it stands in; on real files and a real git."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.templates import counted_variables, from_here, revision, template_files
from immtf.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": "/nonexistent"}


def git(directory: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], cwd=directory, env=ENVIRONMENT, check=True, capture_output=True)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    made = tmp_path / "packer/consul"
    for name, text in {
        "packer/consul/build.pkr.hcl": "build {}",
        "packer/consul/tests/test_x.py": "",
        "packer/consul/files/tests/kept": "",
        "packer/shared/begin.sh": "",
        "packer/pins.json": "{}",
        "packer/base/build.pkr.hcl": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return made


def test_what_goes_into_it_is_counted_and_nothing_else(template: Path) -> None:
    assert sorted(template_files(template)) == ["consul/build.pkr.hcl -", "consul/files/tests/kept -", "pins.json -", "shared/begin.sh -"]
    (template.parent / "shared/begin.sh").chmod(0o755)
    assert "shared/begin.sh x" in template_files(template)
    with pytest.raises(UsageError, match="no Packer template"):
        template_files(template / "tests")


def test_a_variable_that_names_a_file_counts_by_its_content(template: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.write_text("{}")
    one = counted_variables({"package": str(template.parent / "pins.json"), "subnet_id": "subnet-1", "size": "2"})
    assert one == counted_variables({"package": str(other), "subnet_id": "subnet-2", "size": "2"})
    assert one["size"] == "2"
    assert one["package"].startswith("file ")
    assert counted_variables({"long": "x" * 5000}) == {"long": "x" * 5000}


def test_a_relative_path_is_meant_from_where_the_user_is(template: Path) -> None:
    said = {"package": "./pins.json", "name": "pins.json", "type": "t3/none", "text": "a/" * 5000, "whole": str(template)}
    assert from_here(said, template.parent) == {**said, "package": str(template.parent / "pins.json")}


def test_the_revision_is_the_commits_and_says_where_files_differ(template: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be told"):
        revision(template, ENVIRONMENT, allow_dirty=False)
    assert revision(template, ENVIRONMENT, allow_dirty=True) == "none"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    clean = revision(template, ENVIRONMENT, allow_dirty=False)
    assert len(clean) == 12
    (template.parent / "base/build.pkr.hcl").write_text("another image's")
    assert revision(template, ENVIRONMENT, allow_dirty=False) == clean
    (template.parent / "pins.json").write_text("[]")
    with pytest.raises(UsageError, match=r"differ from commit .*packer/pins.json") as caught:
        revision(template, ENVIRONMENT, allow_dirty=False)
    assert "--allow-dirty" in caught.value.next
    assert revision(template, ENVIRONMENT, allow_dirty=True) == f"{clean}-dirty"
