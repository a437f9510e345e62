"""Secrets in a file that is kept beside the code: found by the names of settings, and by what a value looks like. Never shown.

What a value looks like is told for certain kinds only, so that nobody is refused for a long word: a password in a URL or in a connection
string, AWS's own key ids, private keys. A reference to a value elsewhere (`${PASSWORD}`) is no secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from immtf.plan.environments import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Path = tuple[str | int, ...]

SECRET_KEYS = frozenset(
    {"access_key", "secret_key", "token", "password", "sas_token", "client_secret", "sse_customer_key", "encryption_key"}
    | {"client_certificate_password", "web_identity_token", "security_token", "private_key"}
)
_ELSEWHERE = r"(?!\$\{|\$\w|\{\{|\{\w+\}|<|\*)"
_LOOKS = (
    ("a URL with a password", re.compile(rf"[a-z][a-z0-9+.-]*://[^/\s:@]*:{_ELSEWHERE}[^/\s@]+@", re.IGNORECASE)),
    (
        "a connection string with a password",
        re.compile(
            rf"(?:^|[\s;?&])(?:password|passwd|pwd|sslpassword|accountkey|sharedaccesskey)\s*=\s*{_ELSEWHERE}[^\s;&]", re.IGNORECASE
        ),
    ),
    ("the id of an AWS access key", re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
)


def secret_keys(settings: Any, path: Path = ()) -> Iterator[Path]:
    """Give the path of each setting, however deep, whose name says that its value is secret."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key in SECRET_KEYS:
                yield (*path, key)
            else:
                yield from secret_keys(value, (*path, key))
    elif isinstance(settings, list):
        for index, value in enumerate(settings):
            yield from secret_keys(value, (*path, index))


def secret_values(settings: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Give the path of each text that looks like a secret, with what it looks like."""
    for path, text in texts(settings):
        found = next((what for what, looks in _LOOKS if looks.search(text)), "")
        if found:
            yield path, found
