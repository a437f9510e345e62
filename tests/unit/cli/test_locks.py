"""`immtf unlock` where the state is a file on this machine, and leases where there is no home: with the real Terraform."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.program import environment, immtf_program, make_tiny

HOLDER = """
import os, sys
from pathlib import Path
from immtf.adapters.lease import held_lease
with held_lease(Path(sys.argv[1]), {"run": "r1", "who": "eve@ci-7", "command": "upgrade", "pid": os.getpid(), "since": "then"}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_of_a_living_process_is_shown_and_can_not_be_broken(tmp_path: Path, env: dict[str, str]) -> None:
    """F8: who holds it is named, with the process; F11: the other command is refused with the same words."""
    tiny = make_tiny(tmp_path / "tiny")
    assert immtf_program("upgrade", "--yes", cwd=tiny, env=env).returncode == 0
    (lease,) = (Path(env["HOME"]) / ".local/state/immtf/leases").iterdir()
    assert '"who": "eve@' in lease.read_text()
    argv = [sys.executable, "-c", HOLDER, str(lease)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        whose = f"run r1, who eve@ci-7, command upgrade, pid {child.pid}, since then"
        for arguments in (("unlock",), ("unlock", "--force", "--yes")):
            shown = immtf_program(*arguments, "--output", "lines", cwd=tiny, env=env)
            assert shown.returncode == 22, shown.stderr
            assert whose in shown.stderr
            assert f"kill -TERM {child.pid}" in shown.stderr
        refused = immtf_program("upgrade", "--yes", cwd=tiny, env=env)
        assert (refused.returncode, whose in refused.stderr) == (22, True)
        child.kill()
    free = immtf_program("unlock", "--output", "lines", cwd=tiny, env=env)
    assert free.returncode == 0, free.stderr
    assert "no run holds the lease" in free.stderr
    assert immtf_program("upgrade", "--yes", cwd=tiny, env=env).returncode == 0


def test_without_a_home_the_lease_is_with_the_root_module(tmp_path: Path, env: dict[str, str]) -> None:
    tiny = make_tiny(tmp_path / "tiny")
    homeless = {name: value for name, value in env.items() if name != "HOME"}
    done = immtf_program("upgrade", "--yes", cwd=tiny, env=homeless)
    assert done.returncode == 0, done.stderr
    assert (tiny / ".terraform/immtf-lease").is_file()


def test_a_lease_that_is_removed_while_its_run_works_stops_it(tmp_path: Path, env: dict[str, str]) -> None:
    """F12: the state is local, and somebody cleans the directory up while Terraform plans: nothing is applied, exit code 23."""
    tiny = make_tiny(tmp_path / "tiny")
    leases = Path(env["HOME"]) / ".local/state/immtf/leases"
    wrapper = tmp_path / "terraform"
    wrapper.write_text(f'#!/bin/sh\nrm -f {leases}/*\nexec {env["IMMTF_TERRAFORM"]} "$@"\n')
    wrapper.chmod(0o700)
    done = immtf_program("upgrade", "--yes", "--output", "lines", cwd=tiny, env={**env, "IMMTF_TERRAFORM": str(wrapper)})
    assert done.returncode == 23, done.stderr
    assert "the lease was lost: its file was removed" in done.stderr
    assert not (tiny / "terraform.tfstate").exists()


@pytest.mark.parametrize("ttl", ["0", "2", "3601", "soon", "nan"])
def test_a_time_to_live_that_makes_no_sense(tmp_path: Path, ttl: str) -> None:
    done = immtf_program("upgrade", "--yes", "--lease-ttl", ttl, cwd=make_tiny(tmp_path / "tiny"), env=environment(tmp_path))
    assert done.returncode == 2, done.stderr
