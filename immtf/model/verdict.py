"""The answer of everything that is asked whether it holds: yes or no, and always why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds now, with the reason in a user's words. Unknown is `held=False`.

    `final` says that waiting can't mend it: a mark that names another volume will not name this one in a minute.
    """

    held: bool
    reason: str
    final: bool = False


def first_failure(verdicts: list[Verdict], *, otherwise: str) -> Verdict:
    """Return the verdict over all of them: held only if each is, else every reason that speaks against."""
    against = [verdict for verdict in verdicts if not verdict.held]
    if not against:
        return Verdict(held=True, reason=otherwise)
    reason = "; ".join(verdict.reason for verdict in against)
    return Verdict(held=False, reason=reason, final=any(verdict.final for verdict in against))
