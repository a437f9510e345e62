"""The loop that takes away what tests left in a cloud, by tag: what hangs on another thing goes before it, and each wait has a limit.

What goes is decided anew at every look (`plan.reaping`), so nothing goes that came to bear other tags meanwhile. What doesn't go is told at
the end, and holds up nothing but what hangs on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, CredentialsRefused
from immtf.model.environment import CLASS, EXPIRES
from immtf.model.events import Noted
from immtf.model.reaping import DISKS, KINDS, Found
from immtf.plan.reaping import TEST, TRIAL_IMAGE, reapable
from immtf.plan.sweep import ENVIRONMENT
from immtf.run.fence import unguarded
from immtf.run.sweep import LIMIT_S, Removal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.model.cloud import Stray
    from immtf.model.reaping import Kind
    from immtf.plan.reaping import View
    from immtf.run.gates import Patience
    from immtf.run.ports import Sweeper

OF_A_TEST: Mapping[str, str] = {CLASS: TEST}
OF_A_TRIAL: Mapping[str, str] = {TRIAL_IMAGE: "*", EXPIRES: "*"}  # an image's, which makes nothing but instances and disks
HELD_LIMIT_S = 300.0  # for what takes no time itself to go, and waits for others only


@dataclass(frozen=True)
class Reaping:
    """What tests left in one account and region, as far as this `view` of it goes; `look` is called before each kind of things goes."""

    sweeper: Sweeper
    patience: Patience
    view: View
    look: Callable[[], None] = lambda: None

    def found(self) -> tuple[Found, ...]:
        """Return everything there that says that it is a test's."""
        return tuple(found for kind in KINDS for found in self._look(kind))

    def instances(self, environment: str) -> str:
        """Terminate an environment's instances, so that a destroy need not wait for them; return what doesn't go, and why."""
        return self._removed("instance", environment)

    def everything(self) -> tuple[str, ...]:
        """Take away what is past its time; return what doesn't go, in a sentence each."""
        found = []
        for kind in KINDS:
            self.look()
            found.append(self._removed(kind))
        return tuple(filter(None, found))

    def of(self, environment: str) -> tuple[Found, ...]:
        """Return everything there that bears an environment's name, whatever else it bears, or doesn't."""
        return tuple(Found(kind, item) for kind in KINDS for item in self.sweeper.found(kind, {ENVIRONMENT: environment}))

    def _removed(self, kind: Kind, environment: str = "") -> str:
        removal = Removal(
            kind,
            partial(self._past, kind, environment),
            partial(self.sweeper.remove, kind),
            self.patience,
            unguarded,
            partial(_told, kind),
            LIMIT_S if kind in DISKS else HELD_LIMIT_S,
        )
        try:
            left = removal.left()
        except CredentialsRefused:
            raise
        except CloudFailed as error:
            left = f"{error.where}: {error.what}" if error.where else error.what
        return f"{kind.replace('-', ' ')}: {left}" if left else ""

    def _past(self, kind: Kind, environment: str) -> tuple[Stray, ...]:
        strays = (item.stray for item in reapable(self._look(kind), self.view))
        return tuple(item for item in strays if not environment or item.tags.get(ENVIRONMENT) == environment)

    def _look(self, kind: Kind) -> tuple[Found, ...]:
        rows = {item.identity: item for item in self.sweeper.found(kind, OF_A_TEST)}
        if kind in DISKS:
            rows |= {item.identity: item for item in self.sweeper.found(kind, OF_A_TRIAL)}
        return tuple(Found(kind, item) for _, item in sorted(rows.items()))


def _told(kind: Kind, identity: str) -> Noted:
    return Noted("info", f"reaped: {kind.replace('-', ' ')} {identity} is past its time")
