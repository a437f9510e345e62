"""A program out of a Debian package, without root: apt with lists, a cache and a source of its own, then `dpkg -x`.

The source is a line for the pinned Debian release on the server that the machine's own sources name. Debian may build a package
again under a new build number; the checksum in `pins` then refuses it and says so.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing
from immtf.lab.toolchain.checksum import check, only_file
from immtf.lab.toolchain.found import Run, capture_quietly, last_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.process import Captured
    from immtf.lab.toolchain.pins import PackagePin

_LIMIT_S = 300.0
_SERVERS = 3
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def fetch_package(into: Path, pin: PackagePin, *, environment: Mapping[str, str], run: Run) -> None:
    """Put the program into `into/bin`. Raises `ToolMissing` where apt can't get the package or it isn't the pinned one."""
    scratch = into / "apt"
    scratch.mkdir()
    _Apt(scratch, pin, environment, run).download()
    package = only_file(scratch, f"{pin.package}_*.deb", "apt-get")
    check(package, pin.sha256, f"immtf takes {pin.package} {pin.build} only, and Debian seems to have built it again")
    _must(capture_quietly(["dpkg", "-x", str(package), str(scratch / "root")], run=run, cwd=scratch, environment=environment), "dpkg -x")
    program = scratch / "root" / pin.program
    if not program.is_file():
        raise ToolMissing(f"{package.name} does not hold {pin.program}")
    (into / "bin").mkdir()
    program.rename(into / "bin" / program.name)
    shutil.rmtree(scratch)


def options(scratch: Path, architecture: str) -> list[str]:
    """Make apt's options: nothing of the machine is written, and of its sources nothing is read."""
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::State::lists": scratch / "state" / "lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Log": scratch / "log",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",  # who may not read the scratch directory as another user; without root it means nothing
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    return ["-q", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]


def servers(targets: str) -> list[str]:
    """Read the Debian servers out of apt's own list of what it would download: the main part of plain releases, in order."""
    rows = [line.split("|") for line in targets.splitlines() if line.count("|") == 2]  # noqa: PLR2004 - three fields were asked for
    return list(dict.fromkeys(uri for uri, release, component in rows if component == "main" and release.isalpha()))[:_SERVERS]


def source_line(server: str, pin: PackagePin) -> str:
    """Make the one line of the source list; where Debian's keyring is there, only Debian's keys are taken."""
    signed = f" signed-by={_KEYRING}" if _KEYRING.is_file() else ""
    return f"deb [arch={pin.architecture}{signed}] {server} {pin.suite} main\n"


@dataclass(frozen=True, slots=True)
class _Apt:
    scratch: Path
    pin: PackagePin
    environment: Mapping[str, str]
    run: Run

    def download(self) -> None:
        """Leave the package in the scratch directory, from the first server that has it."""
        asked = self._run("indextargets", "--no-release-info", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages")
        _must(asked, "apt-get indextargets")
        said = ["the machine's apt sources name no Debian server"]
        for server in servers(asked.stdout):
            self._prepare(server)
            own = options(self.scratch, self.pin.architecture)
            updated = self._run(*own, "update")
            got = self._run(*own, "download", f"{self.pin.package}/{self.pin.suite}") if updated.exit_code == 0 else updated
            if got.exit_code == 0:
                return
            said = [last_words(got)]
        raise ToolMissing(f"apt could not download {self.pin.package} of Debian {self.pin.suite} ({said[0]})")

    def _prepare(self, server: str) -> None:
        for directory in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.scratch / directory).mkdir(parents=True, exist_ok=True)
        (self.scratch / "status").touch()
        (self.scratch / "sources.list").write_text(source_line(server, self.pin))

    def _run(self, *arguments: str) -> Captured:
        return capture_quietly(["apt-get", *arguments], run=self.run, cwd=self.scratch, environment=self.environment, limit_s=_LIMIT_S)


def _must(answer: Captured, name: str) -> None:
    if answer.exit_code != 0:
        raise ToolMissing(f"{name} failed ({last_words(answer)})")
