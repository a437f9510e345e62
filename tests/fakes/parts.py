"""An apply is made of parts, so that a kill can fall between any two of them, and is watched while it waits.

Each part has a hook of its own (`part.terminate:a` ...): `survives` says whether Terraform finishes although the one who called it is
dead (its output goes to a file), or dies too. A watch that is killed is the one who called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from immtf.errors import ImmtfError
from immtf.run.ports import nobody
from tests.fakes.calls import Crash

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.run.ports import Watching
    from tests.fakes.simulation import SimWorld

T = TypeVar("T")
SLEPT = 3  # seconds: a provider sleeps before it looks


@dataclass
class Parts:
    """What is common to all applies; `killed`: the one who called is dead. `begun` are addresses, each with its action.

    What a watch raises is kept until the apply has ended.
    """

    sim: SimWorld
    survives: bool = field(default=True, kw_only=True)
    killed: bool = field(default=False, kw_only=True)
    watch: Watching = field(default=nobody, kw_only=True)
    begun: set[tuple[str, str]] = field(default_factory=set, kw_only=True)
    failure: ImmtfError | None = field(default=None, kw_only=True)

    def part(self, name: str, effect: Callable[[], T]) -> T:
        """Do one part of an apply. Where Terraform survives the kill of its caller, the parts after it are done as well."""
        if self.killed:
            return effect()
        done: list[T] = []

        def once() -> T:
            done.append(effect())
            return done[0]

        try:
            return self.sim.calls.do(f"part.{name}", once)
        except Crash:
            self._outlive()
            return done[0] if done else once()

    def wait(self, waiting: Callable[[], bool], slept: int = 0) -> None:
        """Wait as a provider does, who sees it so many seconds late, while whoever called watches."""
        while waiting() or slept > 0:
            slept -= not waiting()
            self.sim.clock.sleep(1.0)
            self._let_watch()

    def _let_watch(self) -> None:
        if self.killed or self.failure is not None:
            return
        try:
            self.watch(frozenset(self.begun))
        except Crash:
            self._outlive()
        except ImmtfError as error:
            self.failure = error

    def _outlive(self) -> None:
        """Go on without the one who called, or die too: called where a kill is on its way."""
        if not self.survives:
            raise  # noqa: PLE0704 - the kill that is handled just now
        self.killed = True
