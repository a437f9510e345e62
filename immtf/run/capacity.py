"""An apply that the cloud has no room for is made again, a bounded number of times: no capacity, an address or a volume still in use.

Each try observes, plans and judges anew, so it is a step like the first. Between two tries there is a pause that is told. What is
not certain to have been refused is not tried again here: an instance could be made twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from immtf.errors import CloudFailed, ImmtfError, TerraformFailed
from immtf.model.events import StepWaited
from immtf.plan.faults import Fault, fault_of
from immtf.plan.room import RETRIED, Wanted, no_room, wanted_of
from immtf.run.gates import check_cancel
from immtf.run.world import zones_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData
    from immtf.run.gates import Patience
    from immtf.run.world import World

    T = TypeVar("T")
    Refused: TypeAlias = TerraformFailed | CloudFailed

PAUSES_S = (20.0, 60.0)
TOLD_S = 10.0
LEAST_S = 0.1  # a rest too small for the clock to tell would be slept for ever


@dataclass(frozen=True)
class Tries:
    """The tries of one apply; `pauses_s` lie between them. `subject` and `step` are what the pauses are told of.

    `settling`: a first wish to end doesn't cut a pause short, since a node is away.
    """

    world: World
    patience: Patience
    subject: str
    step: str
    pauses_s: tuple[float, ...] = PAUSES_S
    settling: bool = False

    def until_there(self, apply: Callable[[], T], given_up: Callable[[Refused, int, float], ImmtfError]) -> T:
        """Make the apply until there is room, and return what it returns.

        Raises all other faults at once; in the end what `given_up` makes of the last refusal, the number of tries and the seconds.
        """
        start, tries = self.patience.clock.monotonic(), len(self.pauses_s) + 1
        left = iter(self.pauses_s)
        while True:
            try:
                return apply()
            except (TerraformFailed, CloudFailed) as error:
                if fault_of(error.code) not in RETRIED:
                    raise
                self.world.survey()  # the failed apply may have changed the state
                pause = next(left, None)
                if pause is None:
                    raise given_up(error, tries, self.patience.clock.monotonic() - start) from error
                self._pause(f"{fault_of(error.code)} ({error.code}), tried at most {tries} times", pause)

    def _pause(self, reason: str, seconds: float) -> None:
        """Let the time pass, telling it; a wish to end makes the clock's sleep short and not the pause."""
        clock = self.patience.clock
        start = clock.monotonic()
        while (elapsed := clock.monotonic() - start) < seconds:
            self.patience.emit(StepWaited(self.subject, self.step, reason, round(elapsed, 3), seconds))
            check_cancel(self.patience, self.subject, settling=self.settling)
            clock.sleep(max(LEAST_S, min(TOLD_S, seconds - elapsed)))


@dataclass
class Room:
    """The tries of one node's apply, with these pauses between them. `wanted` is what the last judged plan asked for."""

    world: World
    node: NodeId
    patience: Patience
    pauses_s: tuple[float, ...] = PAUSES_S
    wanted: Wanted = field(default_factory=Wanted)

    def learn(self, now: NodeNow, plan: PlanData) -> None:
        """Take in what a plan asks the cloud for."""
        self.wanted = wanted_of(plan, now.place, set(zones_of(now).values()), self.wanted)

    def until_there(self, apply: Callable[[], T]) -> T:
        """Make the apply until there is room, and return what it returns. Raises `NoRoom` in the end, all other faults at once."""
        tries = Tries(self.world, self.patience, str(self.node), "ApplyNode", self.pauses_s, settling=True)
        return tries.until_there(apply, self._given_up)

    def _given_up(self, error: Refused, tries: int, seconds: float) -> ImmtfError:
        volumes = ", ".join(volume.volume_id for volume in self.world.layout.nodes[self.node].volumes) or "no volumes"
        in_use = fault_of(error.code) is Fault.ADDRESS_IN_USE
        holder = self._asked(lambda: self.world.cloud.holder(self.wanted.address, self.wanted.subnet_id)) if in_use else ""
        wanted = self.wanted
        if not wanted.old_image:  # the plan of a node that is away already doesn't tell it; those that are still to come do
            wanted = replace(wanted, old_image=self._asked(self._others_image))
        return no_room(str(self.node), wanted, error, tries=tries, seconds=seconds, holder=holder, volumes=volumes)

    def _others_image(self) -> str:
        """Return the one image that all other nodes of the cluster run; "" where they differ."""
        nodes = self.world.nodes().items()
        found = {now.instance.image_id for node, now in nodes if node != self.node and node.cluster == self.node.cluster and now.instance}
        return found.pop() if len(found) == 1 else ""

    def _asked(self, question: Callable[[], str]) -> str:
        """Return what can be found out for the message; it must not hide what went wrong."""
        try:
            return question()
        except ImmtfError:
            return ""
