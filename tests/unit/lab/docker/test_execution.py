"""Commands for guests, carried out by this machine's own shell: the argv is the same."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from immtf.lab.docker import execution
from immtf.lab.runtime import Executed, RuntimeFailed

if TYPE_CHECKING:
    from pathlib import Path


def execute(script: str, folder: Path, timeout_s: float = 60.0) -> Executed:
    argv = [word.replace("/run/lab-job", f"{folder}/lab-job") for word in execution.command(script, timeout_s)]
    began = time.monotonic()
    answer = subprocess.run(argv, stdout=subprocess.PIPE, timeout=100, check=False).stdout
    return execution.read(answer, limit_s=timeout_s, took_s=time.monotonic() - began)


def test_code_and_both_outputs_and_no_input(tmp_path: Path) -> None:
    assert execute("echo out; echo err >&2; cat; exit 7", tmp_path) == Executed(7, "out\n", "err\n")
    assert execute("#!/usr/bin/env python3\nprint('it\\'s \"é\" $HOME')", tmp_path) == Executed(0, 'it\'s "é" $HOME\n', "")
    assert execute("", tmp_path) == Executed(0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_long_script_goes_in_pieces(tmp_path: Path) -> None:
    done = execute("true\n" * 60_000 + "echo end\n", tmp_path)
    assert done == Executed(0, "end\n", "")
    with pytest.raises(RuntimeFailed, match="more than the lab takes"):
        execution.command("x" * (2 << 20), 1)


def test_time_is_limited_also_for_who_ignores_it(tmp_path: Path) -> None:
    assert execute("echo begun; sleep 100", tmp_path, 0.3) == Executed(124, "begun\n", "")
    assert execute("trap '' TERM; while :; do sleep 0.1; done", tmp_path, 0.3).exit_code == 124
    assert execute("exit 137", tmp_path).exit_code == 137


def test_what_stays_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert execute("sleep 30 & echo done", tmp_path).stdout == "done\n"
    assert time.monotonic() - began < 25


def test_output_has_an_end(tmp_path: Path) -> None:
    done = execute("head -c 3000000 /dev/zero | tr '\\0' x; echo err >&2", tmp_path)
    assert (len(done.stdout), done.stderr) == (execution.LARGEST_OUTPUT, "err\n")


@pytest.mark.parametrize("torn", [b"", b"0 3 0\nout", b"0 3\noutimmtf-lab-end", b"sh: not found\nimmtf-lab-end"])
def test_an_answer_that_is_not_whole_is_none(torn: bytes) -> None:
    with pytest.raises(RuntimeFailed, match="no whole answer"):
        execution.read(torn, limit_s=1, took_s=1)
