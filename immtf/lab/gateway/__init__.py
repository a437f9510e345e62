"""The lab's control plane: a gateway in front of moto that speaks EC2's wire protocol and knows none of moto's objects.

A request comes in at `app`; `wire` reads it. `describe` shows what moto has with the lab's states (`states`) laid over it (`overlay`,
`filters`). `instances`, `volumes`, `interfaces` and `images` judge an action by `rules` that moto lacks (`interface_rules`, `addresses`),
tell moto through `backend`, and begin a transition; `transitions`, `volume_transitions` and `interface_transitions` make it true
through the runtime, in the background (`lanes`), as long as `delays` say; `keys` has what lets a person into an instance. `watch` and
`adoption` see what happens without a call. `orders` are faults on demand; `memory` has the answers that a stale API gives again.
"""

from __future__ import annotations

from immtf.lab.gateway.app import Gateway
from immtf.lab.gateway.delays import AT_ONCE, AWS_LIKE, Delays
from immtf.lab.gateway.orders import Dropped, Fail, Late, Order, Stale, Stuck

__all__ = ["AT_ONCE", "AWS_LIKE", "Delays", "Dropped", "Fail", "Gateway", "Late", "Order", "Stale", "Stuck"]
