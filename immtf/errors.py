"""The one tree of errors and the one list of exit codes.

An error carries fields first: `what` happened, `where` (a file with its line, an address, a node) and `next`, the command or
act that goes on from here. The sentence is made of them at the very end, by `str()`. The core raises; only the command line
prints and exits.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ends; the meaning of each number is part of the interface."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    CHANGES_PENDING = 10
    GATE_FAILED = 20
    PAUSED = 21
    LEASE_HELD = 22
    LEASE_LOST = 23
    PERSON_NEEDED = 24
    VERSIONS_UNRESOLVED = 30
    INTERRUPTED = 130


class ImmtfError(Exception):
    """Something that a person has to know: what, where, and what to do next."""

    exit_code = ExitCode.ERROR

    def __init__(self, what: str, *, where: str = "", next: str = "") -> None:  # noqa: A002 - the field's name in every reader
        """Keep the fields; `where` and `next` may be empty where there is nothing to say."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.next = next

    def __str__(self) -> str:
        """Make the sentence: where, what, and the next command on a line of its own."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  next: {self.next}" if self.next else head


class UsageError(ImmtfError):
    """The command was called in a way that can't be carried out."""

    exit_code = ExitCode.USAGE


class ToolMissing(ImmtfError):
    """A program is not on this machine, or not in a version that will do."""


class TerraformFailed(ImmtfError):
    """Terraform ended with an error, or not within its time; nothing is read into its exit code but that.

    `code` is the cloud's own word where it was the cloud that refused what Terraform asked for, "" elsewhere.
    """

    def __init__(self, what: str, *, code: str = "", where: str = "", next: str = "") -> None:  # noqa: A002 - as above
        """Keep the cloud's code beside the fields."""
        super().__init__(what, where=where, next=next)
        self.code = code


class TerraformStuck(TerraformFailed):
    """Whatever is asked of Terraform next fails too, or must not be asked: its state is locked or not saved, or it has no credentials."""


class StalePlan(TerraformFailed):
    """The state moved between the plan and its apply: plan and judge again."""


class CloudFailed(ImmtfError):
    """The cloud's API refused a call or could not be reached; `code` is the API's own word for it, "" where it gave none."""

    def __init__(self, what: str, *, code: str = "", where: str = "", next: str = "") -> None:  # noqa: A002 - as above
        """Keep the API's code beside the fields."""
        super().__init__(what, where=where, next=next)
        self.code = code


class CredentialsRefused(CloudFailed):
    """The cloud takes no call with the credentials that are there: none, expired, or not good. Waiting doesn't mend it."""

    exit_code = ExitCode.PERSON_NEEDED


class NoRoom(TerraformFailed):
    """The cloud had no place for a node's instance, volume or address, asked several times; the node waits with its volume kept."""

    exit_code = ExitCode.PERSON_NEEDED


class GuestFailed(ImmtfError):
    """A command could not be carried out on an instance."""


class LabFailed(ImmtfError):
    """The lab could not be started, found or ended."""


class ContainerFailed(ImmtfError):
    """A container engine doesn't answer, or refused what it was asked for."""


class PreviousFailed(ImmtfError):
    """The container of the previous version did not make its environment; `code` is the exit code that this leads to."""

    def __init__(self, what: str, *, code: ExitCode = ExitCode.ERROR, where: str = "", next: str = "") -> None:  # noqa: A002 - as above
        """Keep the exit code beside the fields."""
        super().__init__(what, where=where, next=next)
        self.exit_code = code


class BlocksFailed(ImmtfError):
    """Other blocks that a run has to do with did not end well; `code` is the exit code that this leads to."""

    def __init__(self, what: str, *, code: ExitCode = ExitCode.ERROR, where: str = "", next: str = "") -> None:  # noqa: A002 - as above
        """Keep the exit code beside the fields."""
        super().__init__(what, where=where, next=next)
        self.exit_code = code


class PlanLater(ImmtfError):
    """What an upgrade would do to a block can't be known before another one is upgraded."""

    exit_code = ExitCode.CHANGES_PENDING


class PlanRefused(ImmtfError):
    """A plan would do what its step may not; nothing of it was applied."""

    exit_code = ExitCode.PERSON_NEEDED


class GateFailed(ImmtfError):
    """A gate did not hold within its time; the run stopped at a safe point."""

    exit_code = ExitCode.GATE_FAILED


class OthersFailed(GateFailed):
    """Another node went down while one was waited for: that one is not to be judged by it, nor touched before the other is mended."""


class Unproven(GateFailed):
    """An image was not proven, for a reason that may lie outside of it: it is not verified, and nothing is held against it."""


class LeaseHeld(ImmtfError):
    """Another run holds the lease of this block."""

    exit_code = ExitCode.LEASE_HELD


class LeaseLost(ImmtfError):
    """The lease of this block is no longer this run's: it makes no further change."""

    exit_code = ExitCode.LEASE_LOST


class PersonNeeded(ImmtfError):
    """The world is in a state that immtf does not mend on its own."""

    exit_code = ExitCode.PERSON_NEEDED


class VersionsUnresolved(ImmtfError):
    """No published version satisfies what is asked for."""

    exit_code = ExitCode.VERSIONS_UNRESOLVED


class Interrupted(ImmtfError):
    """A person or the machine asked the run to end; it ended at a safe point."""

    exit_code = ExitCode.INTERRUPTED
