"""How long the API says that a transition goes on, beyond the time the real thing takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds by transition. Nought, the default, makes the lab as fast as what it really runs."""

    pending: float = 0.0
    stop: float = 0.0
    terminate: float = 0.0
    attach: float = 0.0
    detach: float = 0.0


AT_ONCE = Delays()
AWS_LIKE = Delays(pending=5.0, stop=5.0, terminate=1.0, attach=2.0, detach=2.0)
