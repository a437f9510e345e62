"""What was answered before: the source of stale answers.

The question is the whole form, so that a page or a filter that differs is another question. Only the last answers to the last
questions are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immtf.lab.gateway.wire import Answer, Call

REMEMBERED = 500


class Memory:
    """The last answer to each `Describe*` of EC2."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[object, ...], Answer] = OrderedDict()

    def keep(self, call: Call, answer: Answer) -> Answer:
        """Remember the answer where the call only asks, and give it back."""
        if call.action.startswith("Describe") and not answer.failed:
            with self._lock:
                self._answers[_question(call)] = answer
                self._answers.move_to_end(_question(call))
                if len(self._answers) > REMEMBERED:
                    self._answers.popitem(last=False)
        return answer

    def answer(self, call: Call) -> Answer | None:
        """Give what the same question was answered before; None where it was never asked."""
        with self._lock:
            return self._answers.get(_question(call))


def _question(call: Call) -> tuple[object, ...]:
    return (call.region, call.action, *sorted(call.form.items()))
