from __future__ import annotations

import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform.localstate import copy_of, keep_copy, mend_empty, serial, state_file
from immtf.errors import TerraformFailed

if TYPE_CHECKING:
    from pathlib import Path


def initialised(root: Path, backend: dict[str, Any], data: str = ".terraform") -> Path:
    (root / data).mkdir()
    (root / data / "terraform.tfstate").write_text(json.dumps({"backend": backend}))
    return root


def test_where_the_state_is(tmp_path: Path) -> None:
    assert state_file(tmp_path, {}) == tmp_path / "terraform.tfstate"
    assert state_file(tmp_path, {"TF_WORKSPACE": "w"}) == tmp_path / "terraform.tfstate.d/w/terraform.tfstate"
    (tmp_path / "data").mkdir()
    (tmp_path / "data/environment").write_text("x\n")
    assert state_file(tmp_path, {"TF_DATA_DIR": "data"}) == tmp_path / "terraform.tfstate.d/x/terraform.tfstate"


def test_where_a_local_backend_says(tmp_path: Path) -> None:
    root = initialised(tmp_path, {"type": "local", "config": {"path": "/labs/a.tfstate", "workspace_dir": "d"}})
    assert str(state_file(root, {})) == "/labs/a.tfstate"
    assert state_file(root, {"TF_WORKSPACE": "w"}) == root / "d/w/terraform.tfstate"


@pytest.mark.parametrize("text", ['{"backend": {"type": "s3"}}', "not json", "[]"])
def test_elsewhere_or_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform/terraform.tfstate").write_text(text)
    assert state_file(tmp_path, {}) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"serial": null}'])
def test_a_serial_that_is_not_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s"
    assert serial(None) is serial(path) is None
    path.write_text(text)
    assert serial(path) is None


def test_the_copy_is_private_and_always_the_last(tmp_path: Path) -> None:
    state = tmp_path / "s.tfstate"
    for number in (1, 2):
        state.write_text(json.dumps({"serial": number}))
        keep_copy(state)
        assert serial(copy_of(state)) == number
        assert stat.S_IMODE(copy_of(state).stat().st_mode) == 0o600
    state.unlink()
    keep_copy(state)
    assert not copy_of(state).exists()
    assert serial(tmp_path / "s.tfstate.before-apply.older") == 2


def test_an_empty_state_is_mended_from_a_copy_that_can_be_read(tmp_path: Path) -> None:
    state = tmp_path / "s.tfstate"
    assert not mend_empty(state)
    state.write_bytes(b"")
    with pytest.raises(TerraformFailed, match="the state is empty"):
        mend_empty(state)
    copy_of(state).write_bytes(b"")
    with pytest.raises(TerraformFailed, match="the state is empty"):
        mend_empty(state)
    copy_of(state).write_text('{"serial": 4}')
    assert mend_empty(state)
    assert serial(state) == 4
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert not mend_empty(state)


def test_an_empty_state_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """F8, F10: in another checkout a first apply is at work; to put a copy back would take its state away."""
    state = tmp_path / "s.tfstate"
    state.write_bytes(b"")
    copy_of(state).write_text('{"serial": 4}')
    holds = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+b')\nfcntl.lockf(file, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", holds, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not mend_empty(state)
        assert state.read_bytes() == b""
        assert holder.stdin is not None
        holder.stdin.close()
    assert mend_empty(state), "its holder is gone and left it so"
