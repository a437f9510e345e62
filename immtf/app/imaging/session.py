"""A command's session on images: what `immtf.app.session` is for a block, without Terraform, without a lease and without nodes.

It has the same journal, readers and signals, and the same first and last event, in which the image's family stands for the block. Two of
these commands at once do each other no harm: a version is claimed by the image that is there first, and every removal looks again.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters.aws import Aws
from immtf.adapters.clock import WallClock
from immtf.adapters.image_store import Ec2ImageStore
from immtf.app.closing import Outcome, ended_by
from immtf.app.telling import Teller
from immtf.errors import ExitCode, ImmtfError
from immtf.model.events import Noted, RunFinished, RunHalted, RunStarted
from immtf.run.gates import Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from immtf.adapters.clock import Signals
    from immtf.app.target import Target
    from immtf.model.events import Event
    from immtf.run.image_ports import ImageStore

_COMMAND = re.compile(r"`immtf (image (?:build|verify|promote|list|gc)[^`]*)`")


@dataclass
class ImageSession:
    """Everything that a command on images works with.

    `family` and `subject` are what it is about ("consul", "1.2.0"; "" for none); `flags` are the options that lead a next command to
    the same place.
    """

    family: str
    subject: str
    target: Target
    run_id: str
    signals: Signals
    listeners: tuple[Callable[[Event, datetime], None], ...]
    flags: str = ""
    requests_told: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Make what needs no call to the outside."""
        self.tell = Teller(self.listeners, self._asked_to_end)
        self.clock = WallClock(self.signals)
        self.patience = Patience(self.clock, self.signals, self.tell)
        self.aws = Aws.from_environment(self.target.process)
        self.store: ImageStore = Ec2ImageStore(self.aws)
        self.started = self.clock.monotonic()

    def environment(self) -> str:
        """Return a name for a trial, made up for this very run: by it, and by nothing else, its sweep finds what it made."""
        return f"t-{secrets.token_hex(4)}"

    def spelled(self, text: str) -> str:
        """Return the text with each command on images in it led to this place."""
        return _COMMAND.sub(lambda found: f"`immtf {found[1]}{f' {self.flags}' if self.flags else ''}`", text)

    def _asked_to_end(self) -> Event | None:
        """Return, once for each request to end, what comes of it."""
        if self.signals.count <= self.requests_told:
            self.requests_told = self.signals.count
            return None
        self.requests_told = self.signals.count
        by = f" ({self.signals.signal.name})" if self.signals.signal else ""
        return Noted("warning", f"asked to end{by}: what was made is taken away first")


def run_to_end(session: ImageSession, command: str, body: Callable[[], Outcome]) -> ExitCode:
    """Carry a command's body out between its first and its last event; return the exit code."""
    target = session.target
    who = f"{target.process.get('USER') or target.process.get('LOGNAME') or 'unknown'}@{target.process.get('HOSTNAME') or 'this machine'}"
    session.tell(RunStarted(command, session.family, session.subject, target.environment, target.cloud, who))
    try:
        outcome = body()
    except ImmtfError as error:
        outcome = ended_by(error, pause=session.signals.is_pause())
        _halt(session, error, outcome.exit_code)
    except Exception as error:
        what = f"a fault in immtf itself: {type(error).__name__}: {error}"
        _halt(session, ImmtfError(what, next="report it with the run's journal"), ExitCode.ERROR)
        _finish(session, Outcome("failed", ExitCode.ERROR))
        raise
    _finish(session, outcome)
    return outcome.exit_code


def _halt(session: ImageSession, error: ImmtfError, code: ExitCode) -> None:
    safe = "no block and no node was touched"
    session.tell(RunHalted(session.spelled(error.what), error.where, safe, session.spelled(error.next), int(code)))


def _finish(session: ImageSession, outcome: Outcome) -> None:
    seconds = round(session.clock.monotonic() - session.started, 3)
    session.tell(
        RunFinished(
            outcome=outcome.outcome,
            nodes_replaced=0,
            volumes_kept=0,
            writes_acknowledged=None,
            writes_lost=None,
            longest_write_gap_s=None,
            aws_api_calls=sum(session.aws.calls.values()),
            duration_s=seconds,
            exit_code=int(outcome.exit_code),
        )
    )
