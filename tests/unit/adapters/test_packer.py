"""Packer's command, its lines, and how it ends; the program is a small script that says what Packer says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from immtf.adapters.packer import Line, Packer, argv, read_line
from immtf.errors import ImmtfError, Interrupted
from immtf.model.imaging import Recipe

SAYS = "1700000000,,ui,say,==> amazon-ebs.aws: Creating%!(PACKER_COMMA) please wait"
MADE = "1700000002,amazon-ebs.aws,artifact,0,id,eu-west-1:ami-0abc123"


def make(directory: Path, body: str, *, limit_s: float = 60.0) -> tuple[Packer, Recipe]:
    program = directory / "packer"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    recipe = Recipe(directory=directory, family="consul", version="1.1.0", template="d" * 64, revision="1a2b3c", variables={"size": "2"})
    return Packer(str(program), {"PATH": os.environ["PATH"]}, {"region": "eu-west-1"}, directory / "log", limit_s), recipe


def say(*lines: str) -> str:
    return "\n".join(f"echo '{line}'" for line in lines)


def never() -> bool:
    return False


def test_the_command_names_the_source_and_every_variable() -> None:
    recipe = Recipe(directory=Path("/i/consul"), family="consul", version="1.1.0", template="d", revision="r", variables={"size": "2"})
    assert argv("packer", recipe, {"region": "eu-west-1"}) == [
        "packer",
        "build",
        "-machine-readable",
        "-only=amazon-ebs.aws",
        "-var=region=eu-west-1",
        "-var=size=2",
        "-var=family=consul",
        "-var=version=1.1.0",
        "-var=template=d",
        "-var=revision=r",
        "/i/consul",
    ]


def test_a_line_is_read_with_what_is_written_otherwise() -> None:
    assert read_line(SAYS) == Line("", "ui", ("say", "==> amazon-ebs.aws: Creating, please wait"))
    assert read_line("1,x,ui,message,a\\nb\\r") == Line("x", "ui", ("message", "a\nb"))
    assert [read_line(text) for text in ("", "no, such, line", "12")] == [None, None, None]


def test_what_packer_says_is_heard_and_the_image_named(tmp_path: Path) -> None:
    packer, recipe = make(tmp_path, say(SAYS, "1,,ui,message,one\\\\ntwo", "noise", "1,,template-builder,x", MADE))
    heard: list[tuple[str, str]] = []
    assert packer.build(recipe, lambda how, text: heard.append((how, text)), never) == "ami-0abc123"
    assert heard[0] == ("say", "==> amazon-ebs.aws: Creating, please wait")
    assert [how for how, _ in heard[1:]] == ["message"] * len(heard[1:])
    assert MADE in (tmp_path / "log/packer.log").read_text()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (say("1,,ui,error,no subnet", "1,amazon-ebs.aws,error,no subnet") + "\nexit 1", "Packer failed: no subnet$"),
        ("echo 'unset variable' >&2; exit 1", "Packer failed: unset variable"),
        ("exit 1", "it said nothing"),
        (say(SAYS), "named no image"),
    ],
)
def test_a_failure_is_told_in_packers_own_words(tmp_path: Path, body: str, why: str) -> None:
    packer, recipe = make(tmp_path, body)
    with pytest.raises(ImmtfError, match="Packer") as caught:
        packer.build(recipe, lambda _how, _text: None, never)
    assert caught.match("Packer")
    assert why.removesuffix("$") in caught.value.what
    assert caught.value.where == str(tmp_path / "log/packer.log")


def test_without_a_source_it_is_said_how_there_comes_to_be_one(tmp_path: Path) -> None:
    packer, recipe = make(tmp_path, say("1,amazon-ebs.aws,error,No AMI was found matching filters: {}") + "\nexit 1")
    with pytest.raises(ImmtfError, match="No AMI was found") as caught:
        packer.build(recipe, lambda _how, _text: None, never)
    assert "`immtf image promote VERSION --family base`" in caught.value.next


def test_one_that_is_asked_to_end_gets_one_sigint_and_its_time(tmp_path: Path) -> None:
    script = f"import signal, time; signal.signal({int(signal.SIGINT)}, lambda *_: exit(1)); print(1, flush=True); time.sleep(60)"
    packer, recipe = make(tmp_path, f"exec {sys.executable} -c '{script}'")
    log, begun = tmp_path / "log/packer.log", time.monotonic()
    with pytest.raises(Interrupted, match="took down what it had made"):
        packer.build(recipe, lambda _how, _text: None, lambda: log.exists() and bool(log.read_text()))
    assert time.monotonic() - begun < 50


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    packer, recipe = make(tmp_path, "exec sleep 60", limit_s=0.3)
    with pytest.raises(ImmtfError, match="after its limit of 0 s"):
        packer.build(recipe, lambda _how, _text: None, never)
