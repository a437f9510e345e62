"""Pure decisions about the container of a previous version: what its end means, and how hard it is pressed to end.

The container runs immtf's own `create`, maybe of an older immtf, so its exit codes are those of `immtf.errors.ExitCode`; beyond them
are the engine's own (125 to 127) and those of a process that was killed by a signal (128 and more).
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from immtf.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.container import ContainerEnd

Press: TypeAlias = Literal["SIGTERM", "SIGKILL"]
_SIGNALLED = 128
_REFERENCE = re.compile(r"[a-z0-9]+(?:[._:/-]+[A-Za-z0-9_]+)*(?:@sha256:[0-9a-f]{64})?")

_WORDS = {
    ExitCode.ERROR: "an error",
    ExitCode.USAGE: "it does not take what it was called with: its immtf may be too old for this one",
    ExitCode.CHANGES_PENDING: "changes were left to be made",
    ExitCode.GATE_FAILED: "a gate did not hold, and it stopped at a safe point",
    ExitCode.PAUSED: "it was asked to end (SIGTERM), and stopped at a safe point",
    ExitCode.LEASE_HELD: "another run holds the lease of this environment",
    ExitCode.LEASE_LOST: "it lost the lease of this environment to another run",
    ExitCode.PERSON_NEEDED: "a person is needed",
    ExitCode.VERSIONS_UNRESOLVED: "block or image versions can't be resolved",
    ExitCode.INTERRUPTED: "it was interrupted",
}
_ENGINE = {
    125: "the engine could not run it",
    126: "its program can't be started",
    127: "its program is not in the image: is it made from immtf's image?",
}
_ITS_OWN = frozenset({ExitCode.GATE_FAILED, ExitCode.LEASE_HELD, ExitCode.LEASE_LOST, ExitCode.PERSON_NEEDED, ExitCode.VERSIONS_UNRESOLVED})
"""What means the same to the caller, whether the previous version or this one met it."""

_TOO = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"})
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials",
    "AWS_CONFIG_FILE": ".aws/config",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "",
    "AWS_CA_BUNDLE": "",
}


def is_reference(text: str) -> bool:
    """Return whether a text can be the name of an image: `consul-block:1.0.0`, `registry:5000/x/consul-block@sha256:…`."""
    return bool(_REFERENCE.fullmatch(text))


def end_in_words(end: ContainerEnd) -> str:
    """Return what the end of a container means, in half a sentence."""
    if end.problem:
        return f"it could not be run: {end.problem}"
    if end.out_of_memory:
        return f"exit code {end.exit_code}: it ran out of memory"
    return f"exit code {end.exit_code}: {_meaning(end.exit_code)}"


def _meaning(code: int) -> str:
    if code in _ENGINE:
        return _ENGINE[code]
    if code in _WORDS:
        return _WORDS[ExitCode(code)]
    if code > _SIGNALLED:
        try:
            return f"it was killed by {signal.Signals(code - _SIGNALLED).name}"
        except ValueError:
            pass
    return "which is none of immtf's"


def own_code(end: ContainerEnd) -> ExitCode:
    """Return the exit code of the run whose container ended so, which was not well."""
    return ExitCode(end.exit_code) if end.exit_code in _ITS_OWN else ExitCode.ERROR


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a container may take, in seconds: in all, for an orderly end after it was asked, and for an end at once."""

    limit_s: float = 3600.0
    orderly_s: float = 600.0
    urgent_s: float = 120.0


@dataclass(slots=True)
class Pressure:
    """How far a container was pressed to end: `asked` times by SIGTERM, the last time at `since`, or killed then.

    Each request of ours to end is passed on, two at most. Past its limit it is asked without anybody's request. One that was asked
    and doesn't end within its time is asked once more, and then killed.
    """

    patience: Patience
    asked: int = 0
    since: float = 0.0
    killed: bool = False
    late: bool = False

    def press(self, running_s: float, requests: int) -> Press | None:
        """Return the signal that it gets now, if any; `running_s` is since its start, `requests` how often we were asked to end."""
        self.late = self.late or running_s >= self.patience.limit_s
        due = self.asked > 0 and running_s - self.since >= (self.patience.orderly_s if self.asked == 1 else self.patience.urgent_s)
        if self.killed:
            return None
        if due and self.asked > 1:
            self.killed, self.since = True, running_s
            return "SIGKILL"
        if due or min(requests, 2) > self.asked or (self.late and not self.asked):
            self.asked, self.since = self.asked + 1, running_s
            return "SIGTERM"
        return None


def passed_on(process: Mapping[str, str], tokens: Collection[str], *, lab: bool) -> dict[str, str]:
    """Return the variables of this process that the container gets, by value: Terraform's, gates' `tokens`, and outside the lab AWS's.

    The lab tells its clients itself how it is reached, and leads nowhere else.
    """
    wanted = [name for name in process if name.startswith(("TF_VAR_", "TF_TOKEN_")) or name in tokens or name in {"USER", "TZ"}]
    if not lab:
        wanted += [name for name in process if name.startswith("AWS_") or name.upper() in _TOO]
    return {name: process[name] for name in sorted(set(wanted))}


def credential_files(process: Mapping[str, str]) -> dict[str, str]:
    """Return the files with credentials that AWS's libraries would read here, by the variable that names each; they may not be there."""
    home = process.get("HOME", "")
    found = {name: process.get(name) or (f"{home}/{usual}" if home and usual else "") for name, usual in _FILES.items()}
    return {name: path for name, path in found.items() if path.startswith("/")}


def create_arguments(directory: str, home: str, place: Sequence[str], image: str, variables: str) -> tuple[str, ...]:
    """Return how the container is called: `create` of its block, with the image that was chosen and the file of the user's variables.

    This is what older versions of immtf have to understand: see docs/previous-version.md before changing any of it.
    """
    words = ["create", directory, "--yes", "--output=json", f"--home={home}", *place]
    words += [f"--image={image}"] if image else []
    words += [f"--var-file={variables}"] if variables else []
    return tuple(words)
