"""A user's tests on simulated instances: they pass where the instance serves; a question that the real one couldn't ask is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.model.verdict import Verdict

if TYPE_CHECKING:
    from immtf.model.block import TestinfraGate
    from immtf.model.checking import CheckFacts
    from tests.fakes.simulation import SimWorld


@dataclass
class FakeChecks:
    """Satisfies `immtf.run.ports.Checks`. `told` are the facts of each run; a run takes `seconds`, and more than its limit never.

    `hindrance` is why no test can be run at all.
    """

    sim: SimWorld
    seconds: float = 0.0
    hindrance: str = ""
    told: list[CheckFacts] = field(default_factory=list)

    def run(self, gate: TestinfraGate, facts: CheckFacts) -> Verdict:
        assert gate.timeout_s > 0, "tests without a limit"
        assert gate.tests.is_absolute(), "tests that would be looked for wherever immtf runs"
        return self.sim.calls.do("checks.run", lambda: self._run(gate, facts))

    def ready(self, gate: TestinfraGate) -> Verdict:
        assert gate.tests.is_absolute(), "tests that would be looked for wherever immtf runs"
        return self.sim.calls.do("checks.ready", lambda: Verdict(held=not self.hindrance, reason=self.hindrance, next="mend it"))

    def _run(self, gate: TestinfraGate, facts: CheckFacts) -> Verdict:
        node = facts.node
        assert node.name == f"{node.cluster}/{node.key}"
        assert facts.block.name, "tests that don't know their block"
        self.told.append(facts)
        self.sim.clock.sleep(min(self.seconds, gate.timeout_s))
        if self.seconds > gate.timeout_s:
            return Verdict(held=False, reason=f"not ended within {gate.timeout_s:g} s; test_service was under way")
        item = self.sim.instances.get(node.instance_id)
        if item is None or not item.agent:
            return Verdict(held=False, reason=f"1 of 1 failed: test_service: NotReached: {node.instance_id}")
        assert (node.address, node.image_id) == (item.address, item.image), "tests that are told of another instance"
        return Verdict(held=item.serving, reason="1 passed" if item.serving else "1 of 1 failed: test_service: assert False")
