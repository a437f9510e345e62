"""The environments that a reap has in hand: it holds their leases until each is gone, so nobody works in one while it is removed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import CredentialsRefused, ImmtfError, Interrupted, LeaseHeld, LeaseLost
from immtf.model.events import Noted
from immtf.run.gates import check_cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.app.imaging.session import ImageSession
    from immtf.model.reaping import Left


@dataclass
class Grasp:
    """What is held, and `problems` with any of it. `stays` are environments that aren't touched. In a dry run they are looked at only."""

    session: ImageSession
    stack: ExitStack
    dry_run: bool
    problems: list[str] = field(default_factory=list)
    stays: set[str] = field(default_factory=set)
    _held: dict[str, tuple[Left, ExitStack, Callable[[], None]]] = field(default_factory=dict)

    def takes(self, left: Left) -> bool:
        """Take an environment's leases; whether it goes: one in which somebody may be at work is told, and stays."""
        try:
            who = left.at_work() if self.dry_run else self._take(left)
        except (Interrupted, CredentialsRefused):
            raise
        except ImmtfError as error:
            who = told_of(error)
            self.problems.append(f"environment {left.environment}: {who}")
        if who:
            self.session.tell(Noted("warning", f"environment {left.environment} is left: somebody may be at work in it: {who}"))
        return not who

    def _take(self, left: Left) -> str:
        own = self.stack.enter_context(ExitStack())
        try:
            confirm = own.enter_context(left.hold())
        except LeaseHeld as error:
            return told_of(error)
        self._held[left.where] = (left, own, confirm)
        return ""

    def confirm(self, left: Left) -> None:
        """Make sure that an environment is still in these hands. Raises `LeaseLost`."""
        self._held[left.where][2]()

    def look(self) -> None:
        """Look that every environment is still in these hands; one that isn't stays as it is from now on."""
        for left, _, _ in tuple(self._held.values()):
            if left.environment not in self.stays:
                self.fails(left, lambda: None)

    def let_go(self, left: Left) -> None:
        """Give an environment's leases back."""
        self._held.pop(left.where)[1].close()

    def fails(self, left: Left, act: Callable[[], None]) -> bool:
        """Do something with an environment; whether it could not be done, which is told at the end. One that others may have stays."""
        try:
            check_cancel(self.session.patience, "reap")
            self.confirm(left)
            act()
        except (Interrupted, CredentialsRefused):
            raise
        except ImmtfError as error:
            if isinstance(error, LeaseHeld | LeaseLost):
                self.stays.add(left.environment)
            self.problems.append(f"environment {left.environment}: {told_of(error)}")
            return True
        return False


def told_of(error: ImmtfError) -> str:
    """Return an error in one phrase."""
    return f"{error.where}: {error.what}" if error.where else error.what
