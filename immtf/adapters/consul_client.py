"""py-consul over exchanges that are bounded as a whole, and what its failures mean in a user's words.

The library's own transport waits for each read anew and prefers the variable CONSUL_HTTP_TOKEN to any token it is given, so it is
taken out, and only the library's knowledge of Consul's API is used. Variables are those of Consul's own command: CONSUL_CACERT,
CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY and CONSUL_TLS_SERVER_NAME; the gate's `token_env` says which one holds the token.
CONSUL_HTTP_SSL_VERIFY is not honoured: a gate believes no server that it can't tell from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import consul
from consul.base import Response

from immtf.adapters import exchange, tls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.model.block import ConsulGate

FAILURES = (consul.ConsulException, *exchange.FAILURES, KeyError, TypeError, AttributeError, RecursionError)
"""What a call may raise: Consul's refusals, the exchange's failures, and what comes of answers with another shape."""
READ_AT_MOST = 16_000_000
TOKEN_VARIABLE = "CONSUL_HTTP_TOKEN"  # noqa: S105 - a variable's name
TLS = tls.Variables("CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_TLS_SERVER_NAME")
_NO_JSON = "Failed to decode JSON: "


@dataclass(frozen=True)
class Access:
    """How servers are spoken to: the token, the name of its variable, and TLS (None for plain HTTP)."""

    token: str
    variable: str
    trust: exchange.Trust | None = None


def access(gate: ConsulGate, environment: Mapping[str, str]) -> Access:
    """Read the environment. Raises `OSError` with a reason where the token or a file of TLS can't be used."""
    variable = gate.token_env or TOKEN_VARIABLE
    token = environment.get(variable, "").strip()  # from a file it comes with its line's end, which no header can hold
    if not token.isprintable():
        raise OSError(f"{variable} holds what is no token: it is not one line of text")
    if gate.scheme == "http":
        return Access(token, variable)
    return Access(token, variable, tls.trust(environment, TLS))


@dataclass(frozen=True)
class Transport:
    """What py-consul calls its HTTP client. `limit` gives the seconds that the next call may take in all."""

    base: str
    access: Access
    limit: Callable[[], float]

    def get(self, callback: Callable[[Any], Any], path: str, params: Any = None, headers: Any = None) -> Any:
        return self._ask("GET", callback, path, params, headers)

    def put(self, callback: Callable[[Any], Any], path: str, params: Any = None, data: str | bytes = "", headers: Any = None) -> Any:
        return self._ask("PUT", callback, path, params, headers, data)

    def post(self, callback: Callable[[Any], Any], path: str, params: Any = None, data: str | bytes = "", headers: Any = None) -> Any:
        return self._ask("POST", callback, path, params, headers, data)

    def delete(self, callback: Callable[[Any], Any], path: str, params: Any = None, data: str | bytes = "", headers: Any = None) -> Any:
        return self._ask("DELETE", callback, path, params, headers, data)

    def _ask(
        self, method: str, callback: Callable[[Any], Any], path: str, params: Any, headers: Mapping[str, str] | None, data: str | bytes = ""
    ) -> Any:
        """Ask, with the token that is meant and no other, and let the library read the answer."""
        query = f"?{urlencode(params)}" if params else ""
        token = {"X-Consul-Token": self.access.token} if self.access.token else {}
        reply = exchange.exchange(
            method,
            f"{self.base}{path}{query}",
            timeout_s=self.limit(),
            read_at_most=READ_AT_MOST,
            headers={**(headers or {}), **token},
            body=data.encode() if isinstance(data, str) else data,
            trust=self.access.trust,
        )
        if not reply.whole:
            raise ValueError(f"answers more than {READ_AT_MOST // 1_000_000} MB")
        if reply.status in range(300, 400):
            raise consul.ConsulException(f"{reply.status} (a redirect, which is not followed)")
        return callback(Response(reply.status, reply.headers, reply.body.decode(errors="replace")))


def client(gate: ConsulGate, address: str, means: Access, limit: Callable[[], float]) -> Any:
    """Return py-consul's client for one server; no call is made yet."""
    host = f"[{address}]" if ":" in address else address
    api = consul.Consul(host=address, port=gate.port, scheme=gate.scheme, verify=True)
    api.token = None  # the library took CONSUL_HTTP_TOKEN
    api.http = Transport(f"{gate.scheme}://{host}:{gate.port}", means, limit)
    return api


def told(error: Exception, means: Access) -> str:
    """Return one short line of what went wrong, never with the token in it."""
    text = _reason(error, means)
    return text.replace(means.token, "***") if means.token else text


def _reason(error: Exception, means: Access) -> str:
    match error:
        case consul.ACLPermissionDenied():
            said = f"403: {tls.short(error)}"
            return (
                f"denies the token in {means.variable} ({said})"
                if means.token
                else f"wants a token, and {means.variable} is empty ({said})"
            )
        case consul.ConsulException():
            return _refusal(str(error))
        case KeyError() | TypeError() | AttributeError() | RecursionError():
            return f"answers what Consul would not ({tls.short(error) or type(error).__name__})"
        case _:
            return tls.lost(error, TLS)


def _refusal(text: str) -> str:
    if text.startswith(_NO_JSON):
        return f"answers what is not JSON: {tls.short(text.removeprefix(_NO_JSON))}"
    return f"answers {tls.short(text)}" if text[:3].isdigit() else tls.short(text) or "refuses"
