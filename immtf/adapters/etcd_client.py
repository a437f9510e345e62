"""etcd's JSON gateway (`/v3/…`), asked one server at a time, and what its refusals mean in a user's words.

Variables are those of etcd's own command: ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, and ETCDCTL_USER with `user:password` (or a user,
and the password in ETCDCTL_PASSWORD); the gate's `user_env` names another one for the user. A token is asked for only when a server
wants one, and kept: each is an entry of the Raft log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immtf.adapters import exchange, tls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.model.block import EtcdGate

READ_AT_MOST = 16_000_000
TLS = tls.Variables("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY")
USER_VARIABLE = "ETCDCTL_USER"
PASSWORD_VARIABLE = "ETCDCTL_PASSWORD"  # noqa: S105 - a variable's name
_LOGIN = ("user name is empty", "invalid auth token", "revision in header is old", "token is not provided")
_NO_NAME = "CommonName of client sending a request against gateway"
_DENIED = ("permission denied", "invalid user ID or password", "authentication failed")
_OK, _NOT_FOUND = 200, 404


class EtcdRefused(Exception):
    """A server's own error: the status and the message."""

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.status, self.message = status, message


FAILURES = (EtcdRefused, *exchange.FAILURES, KeyError, TypeError, RecursionError)
"""What a call may raise: a refusal, the exchange's failures, and what comes of answers with another shape."""


@dataclass
class Access:
    """How servers are spoken to: the user, the variable that named it, TLS (None for plain HTTP), and the token that is in use."""

    user: str
    password: str
    variable: str
    trust: exchange.Trust | None = None
    token: str = field(default="", repr=False)


def access(gate: EtcdGate, environment: Mapping[str, str]) -> Access:
    """Read the environment. Raises `OSError` with a reason where the user or a file of TLS can't be used."""
    variable = gate.user_env or USER_VARIABLE
    said = environment.get(variable, "").strip()  # from a file it comes with its line's end
    user, colon, password = said.partition(":")
    password = password if colon else environment.get(PASSWORD_VARIABLE, "").strip()
    if not (user + password).isprintable() or (said and not (user and password)):
        raise OSError(f"{variable} does not hold `user:password`" + ("" if colon else f", and {PASSWORD_VARIABLE} no password"))
    return Access(user, password, variable, tls.trust(environment, TLS) if gate.scheme == "https" else None)


@dataclass(frozen=True)
class Server:
    """One server. `limit` gives the seconds that the next call may take in all."""

    base: str
    means: Access
    limit: Callable[[], float]

    def ask(self, call: str, **body: Any) -> dict[str, Any]:
        """Make one call of the gateway, e.g. `maintenance/status`, and return its answer. Raises one of `FAILURES`."""
        try:
            return self._post(call, body)
        except EtcdRefused as error:
            wanted = _LOGIN if self.means.token else (*_LOGIN, *_DENIED)  # with clients' certificates, nobody is denied like anybody else
            if not self.means.user or not any(text in error.message for text in wanted):
                raise
        login = {"name": self.means.user, "password": self.means.password}
        self.means.token = ""
        token = self._post("auth/authenticate", login).get("token")
        if type(token) is not str or not token or not token.isprintable():
            raise TypeError("no token")
        self.means.token = token
        return self._post(call, body)

    def metrics(self) -> tuple[str, str]:
        """Return the server's metrics as text, and its time as its HTTP header tells it. Raises one of `FAILURES`."""
        reply = self._exchange("GET", "/metrics", None)
        return _text(reply), reply.headers.get("Date", "")

    def _post(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        text = _text(self._exchange("POST", f"/v3/{call}", json.dumps(body).encode()))
        try:
            answer = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"answers what is not JSON: {tls.short(text)}") from error
        if not isinstance(answer, dict):
            raise TypeError(f"it is {type(answer).__name__}, wanted dict")
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None) -> exchange.Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.means.token:
            headers["Authorization"] = self.means.token
        return exchange.exchange(
            method,
            f"{self.base}{path}",
            timeout_s=self.limit(),
            read_at_most=READ_AT_MOST,
            headers=headers,
            body=body,
            trust=self.means.trust,
        )


def server(gate: EtcdGate, address: str, means: Access, limit: Callable[[], float]) -> Server:
    """Return one server; no call is made yet."""
    host = f"[{address}]" if ":" in address else address
    return Server(f"{gate.scheme}://{host}:{gate.port}", means, limit)


def _text(reply: exchange.Reply) -> str:
    """Return the body of an answer that is one; else raise what it is."""
    if reply.status in range(300, 400):
        raise EtcdRefused(reply.status, "a redirect, which is not followed")
    if not reply.whole:
        raise ValueError(f"answers more than {READ_AT_MOST // 1_000_000} MB")
    text = reply.body.decode(errors="replace")
    if reply.status != _OK:
        raise EtcdRefused(reply.status, _message(reply.status, text))
    return text


def _message(status: int, text: str) -> str:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return str(said.get("message") or said.get("error") or text)
    if status == _NOT_FOUND:
        return "no JSON gateway is at /v3: a server with a configuration file has one with `enable-grpc-gateway: true`"
    return text


def told(error: Exception, means: Access) -> str:
    """Return one short line of what went wrong, never with the password or the token in it."""
    text = _reason(error, means)
    for secret in (means.password, means.token):
        text = text.replace(secret, "***") if secret else text
    return text


def _reason(error: Exception, means: Access) -> str:
    match error:
        case EtcdRefused():
            return _refusal(error, means)
        case KeyError() | TypeError() | RecursionError():
            return f"answers what etcd would not ({tls.short(error) or type(error).__name__})"
        case _:
            return tls.lost(error, TLS)


def _refusal(error: EtcdRefused, means: Access) -> str:
    said = f"{error.status}: {tls.short(error.message)}"
    if _NO_NAME in error.message:  # where users are on, whoever comes with a name in its certificate is refused
        return f"takes no certificate with a CommonName at its gateway: {TLS.cert} must name one without ({error.status})"
    if any(text in error.message for text in (*_LOGIN, *_DENIED)):
        return f"denies the user in {means.variable} ({said})" if means.user else f"wants a user, and {means.variable} is empty ({said})"
    return f"answers {said}" if error.message else f"answers {error.status}"
