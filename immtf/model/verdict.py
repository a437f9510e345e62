"""The answer of everything that is asked whether it holds: yes or no, and always why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds now, with the reason in a user's words. Unknown is `held=False`.

    `final` says that waiting can't mend it: a mark that names another volume will not name this one in a minute. `patience_s` is for
    a state that is on its way and slow: it may last so many seconds, and a gate's own limit counts from its end. `next` is what a
    person does about it, where that is more than the reason says. `unknown` tells a no that nobody gave: what was to be judged could not
    be asked, or not for a reason of its own.
    """

    held: bool
    reason: str
    final: bool = False
    patience_s: float = 0.0
    next: str = ""
    unknown: bool = False


def first_failure(verdicts: list[Verdict], *, otherwise: str) -> Verdict:
    """Return the verdict over all of them: held only if each is, else every reason that speaks against."""
    against = [verdict for verdict in verdicts if not verdict.held]
    if not against:
        return Verdict(held=True, reason=otherwise)
    reason = "; ".join(verdict.reason for verdict in against)
    patience_s = min(verdict.patience_s for verdict in against)
    what_next = next((verdict.next for verdict in against if verdict.next), "")
    return Verdict(held=False, reason=reason, final=any(verdict.final for verdict in against), patience_s=patience_s, next=what_next)
