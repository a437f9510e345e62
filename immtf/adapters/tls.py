"""Whom a service is believed to be, by the variables of the service's own command; and what a lost exchange means in a user's words."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.adapters import exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 120
_OTHER_NAME = frozenset({62, 64})  # OpenSSL's codes for a certificate of another host, of another address


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment variables that name the files of TLS; `name` holds the name that certificates are for, "" where there is none."""

    authority: str
    cert: str
    key: str
    name: str = ""


def trust(environment: Mapping[str, str], variables: Variables) -> exchange.Trust:
    """Read the files. Raises `OSError` with the variable and the reason where one can't be used."""
    return exchange.Trust(_context(environment, variables), environment.get(variables.name, ""))


def _context(environment: Mapping[str, str], variables: Variables) -> ssl.SSLContext:
    authority, cert, key = (environment.get(name, "") for name in (variables.authority, variables.cert, variables.key))
    if not authority and not cert:
        return exchange.system_trust()
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except (OSError, ValueError) as error:
        raise OSError(f"{variables.authority} names {authority}, which can't be used ({short(error)})") from error
    if cert:
        try:
            context.load_cert_chain(cert, key or None, password="")  # an empty password, or a terminal would be asked for one
        except (OSError, ValueError) as error:
            raise OSError(f"{variables.cert} names {cert}, which can't be used with its key ({short(error)})") from error
    return context


def lost(error: Exception, variables: Variables) -> str:
    """Say what went wrong before there was an answer that could be read."""
    match error:
        case ssl.SSLError():
            return _tls(error, variables)
        case TimeoutError():
            return short(error) if "in time" in str(error) else "no answer in time"
        case ConnectionRefusedError():
            return "can't be connected to"
        case ConnectionError():
            return "closed the connection without an answer"
        case http.client.HTTPException():
            return f"answers what is no HTTP, or cut off ({type(error).__name__})"
        case _:
            return short(error) or type(error).__name__


def _tls(error: ssl.SSLError, variables: Variables) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            mend = f": {variables.name} may say which" if variables.name else ""
            return f"its certificate is for another name ({error.verify_message}){mend}"
        return f"its certificate is not trusted ({error.verify_message}): {variables.authority} must name the file of its CA"
    reason = error.reason or short(error)
    if "ALERT" in reason or isinstance(error, ssl.SSLEOFError):
        return f"refuses TLS ({reason}): it may want a certificate, from {variables.cert} and {variables.key}"
    return f"does not speak TLS as it should ({reason})"


def short(said: object) -> str:
    """Return the beginning of the first line of what was said."""
    lines = str(said).splitlines()
    return lines[0][:SHOWN].strip() if lines else ""
