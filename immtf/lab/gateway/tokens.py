"""ClientToken: the same request twice is one request. moto ignores it, and a provider that retries would get two instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.gateway.rules import same_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.lab.gateway.wire import Answer, Call


class ClientTokens:
    """The answers that were given to requests with a token. The caller holds the lock."""

    def __init__(self) -> None:
        """Start with none."""
        self._given: dict[tuple[str, str, str], tuple[dict[str, str], Answer]] = {}

    def once(self, call: Call, act: Callable[[], Answer]) -> Answer:
        """Give the answer of the first request with this token, or act. Raises `Refusal` if the parameters differ."""
        token = call.form.get("ClientToken", "")
        key = (call.region, call.action, token)
        if token and key in self._given:
            before, answer = self._given[key]
            same_parameters(token, before, call.form)
            return answer
        answer = act()
        if token and not answer.failed:
            self._given[key] = (dict(call.form), answer)
        return answer
