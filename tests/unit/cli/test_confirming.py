"""The question before a change, at a real (pseudo) terminal: yes, no, another name, Ctrl-C; and where there is none."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from immtf.cli.options import Options
from immtf.cli.sessions import confirmer
from tests.unit.cli.program import environment

CHILD = """
from pathlib import Path
from immtf.adapters.clock import Signals
from immtf.cli.options import Options
from immtf.cli.sessions import confirmer
from immtf.errors import ImmtfError
with Signals().caught() as signals:
    try:
        confirmer(Options(block=Path(".")), name={name!r})("Change it?")
        print("went on")
    except ImmtfError as error:
        print(int(error.exit_code), error.what, error.next, sep="|")
    print("requests", signals.count)
"""
LIMIT_S = 30.0


class Terminal:
    """A child process at a pseudo terminal of its own, which is its controlling one: Ctrl-C there is a real SIGINT."""

    def __init__(self, script: str, folder: Path) -> None:
        self.child, self._screen = pty.fork()
        if self.child == 0:  # pragma: no cover - the child becomes another program at once
            os.execve(sys.executable, [sys.executable, "-c", script], environment(folder))  # noqa: S606 - the test's own script
        self.shown = ""

    def until(self, text: str, *, again: str = "") -> None:
        """Read until this is shown; a Ctrl-C that fell into the moment before the read is pressed `again`, as a person would."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if not select.select([self._screen], [], [], 1.0)[0]:
                self.type(again)
                continue
            try:
                self.shown += os.read(self._screen, 4096).decode()
            except OSError:  # the child has ended
                assert text in self.shown, self.shown

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def close(self) -> None:
        os.close(self._screen)
        os.waitpid(self.child, 0)


def answered(folder: Path, keys: str, *, name: str | None = None) -> str:
    terminal = Terminal(CHILD.format(name=name), folder)
    terminal.until("Change it?")
    terminal.until(": ")
    terminal.type(keys)
    terminal.until("requests ", again=keys if keys == "\x03" else "")
    terminal.close()
    return terminal.shown


def test_a_yes_goes_on(tmp_path: Path) -> None:
    assert "went on" in answered(tmp_path, "y\n")


@pytest.mark.parametrize("keys", ["n\n", "\n", "\x04", "\x03"], ids=["no", "only return", "end of input", "Ctrl-C"])
def test_anything_else_ends_the_run_at_once_with_nothing_touched(tmp_path: Path, keys: str) -> None:
    shown = answered(tmp_path, keys)
    assert "130|not confirmed|`immtf again` asks anew" in shown
    assert "requests 0" in shown, "it is no request to stop what was never begun"


def test_the_name_has_to_be_typed(tmp_path: Path) -> None:
    assert "went on" in answered(tmp_path, "consul\n", name="consul")
    assert "2|not confirmed: another name was typed" in answered(tmp_path, "y\n", name="consul")
    assert "130|not confirmed" in answered(tmp_path, "\x03", name="consul")


def test_yes_asks_nobody() -> None:
    confirmer(Options(block=Path(), yes=True))("Change it?")


@pytest.mark.parametrize(("name", "advice"), [(None, "`immtf again --yes`"), ("consul", "`immtf again --confirm consul`")])
def test_without_a_terminal_it_ends_instead_of_hanging(tmp_path: Path, name: str | None, advice: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(name=name)],
        input="y\n",
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("2|not confirmed: there is no terminal to ask at|")
    assert advice in done.stdout
