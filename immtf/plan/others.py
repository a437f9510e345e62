"""The other nodes of a cluster while one is away: which of them are seen down, and why.

Only what speaks of one node counts: no instance, no answer, a leader that calls it unhealthy. An election, or a leader that knows
nobody's health yet, speaks of the whole cluster and is left to the gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immtf.model.service import ServiceView
    from immtf.model.snapshot import NodeNow


def seen_down(now: NodeNow, view: ServiceView | None) -> str:
    """Return why a node is seen down, "" where it isn't; `view` is of its service, None where that can't be asked."""
    if not now.alive or now.instance is None:
        return "it has no instance"
    if not now.running:
        return f"its instance {now.instance.instance_id} is {now.instance.state}"
    return _silent(now, view) if view else ""


def _silent(now: NodeNow, view: ServiceView) -> str:
    answer, peer = view.answers.get(now.node), view.peer(now.node)
    if answer is None or answer.problem:
        return f"it does not answer ({answer.problem})" if answer else "it was not asked"
    if view.problem:  # what the configuration says of it is not known
        return ""
    if peer is None:
        return "it is not in the configuration"
    return "it is unhealthy" if peer.healthy is False else ""
