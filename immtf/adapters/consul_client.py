"""py-consul over exchanges that are bounded as a whole, and what its failures mean in a user's words.

The library's own transport waits for each read anew and prefers the variable CONSUL_HTTP_TOKEN to any token it is given, so it is
taken out, and only the library's knowledge of Consul's API is used. Variables are those of Consul's own command: CONSUL_CACERT,
CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY and CONSUL_TLS_SERVER_NAME; the gate's `token_env` says which one holds the token.
CONSUL_HTTP_SSL_VERIFY is not honoured: a gate believes no server that it can't tell from another.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import consul
from consul.base import Response

from immtf.adapters import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.model.block import ConsulGate

FAILURES = (consul.ConsulException, *exchange.FAILURES, KeyError, TypeError, AttributeError, RecursionError)
"""What a call may raise: Consul's refusals, the exchange's failures, and what comes of answers with another shape."""
READ_AT_MOST = 16_000_000
SHOWN = 120
TOKEN_VARIABLE = "CONSUL_HTTP_TOKEN"  # noqa: S105 - a variable's name
_OTHER_NAME = frozenset({62, 64})  # OpenSSL's codes for a certificate of another host, of another address
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
    return Access(token, variable, exchange.Trust(_trust(environment), environment.get("CONSUL_TLS_SERVER_NAME", "")))


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    authority, cert, key = (environment.get(f"CONSUL_{name}", "") for name in ("CACERT", "CLIENT_CERT", "CLIENT_KEY"))
    if not authority and not cert:
        return exchange.system_trust()
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except (OSError, ValueError) as error:
        raise OSError(f"CONSUL_CACERT names {authority}, which can't be used ({_short(error)})") from error
    if cert:
        try:
            context.load_cert_chain(cert, key or None, password="")  # an empty password, or a terminal would be asked for one
        except (OSError, ValueError) as error:
            raise OSError(f"CONSUL_CLIENT_CERT names {cert}, which can't be used with its key ({_short(error)})") from error
    return context


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
            said = f"403: {_short(error)}"
            return (
                f"denies the token in {means.variable} ({said})"
                if means.token
                else f"wants a token, and {means.variable} is empty ({said})"
            )
        case consul.ConsulException():
            return _refusal(str(error))
        case KeyError() | TypeError() | AttributeError() | RecursionError():
            return f"answers what Consul would not ({_short(error) or type(error).__name__})"
        case _:
            return _lost(error)


def _lost(error: Exception) -> str:
    """Say what went wrong before there was an answer that could be read."""
    match error:
        case ssl.SSLError():
            return _tls(error)
        case TimeoutError():
            return _short(error) if "in time" in str(error) else "no answer in time"
        case ConnectionRefusedError():
            return "can't be connected to"
        case ConnectionError():
            return "closed the connection without an answer"
        case http.client.HTTPException():
            return f"answers what is no HTTP, or cut off ({type(error).__name__})"
        case _:
            return _short(error) or type(error).__name__


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return f"its certificate is for another name ({error.verify_message}): CONSUL_TLS_SERVER_NAME may say which"
        return f"its certificate is not trusted ({error.verify_message}): CONSUL_CACERT must name the file of its CA"
    reason = error.reason or _short(error)
    if "ALERT" in reason:
        return f"refuses TLS ({reason}): it may want a certificate, from CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY"
    return f"does not speak TLS as it should ({reason})"


def _refusal(text: str) -> str:
    if text.startswith(_NO_JSON):
        return f"answers what is not JSON: {_short(text.removeprefix(_NO_JSON))}"
    return f"answers {_short(text)}" if text[:3].isdigit() else _short(text) or "refuses"


def _short(said: object) -> str:
    """Return the beginning of the first line of what was said."""
    lines = str(said).splitlines()
    return lines[0][:SHOWN].strip() if lines else ""
