"""What no reader, journal or report may show: the texts that a run knows to be secret.

They come from three places: environment variables that are secret by their name, variables that the configuration declares
`sensitive` (from `--var`, `--var-file` or `TF_VAR_…`), and the tokens that gates name. A text is masked in every form in which it could
be written: as it is, quoted for a shell, escaped in JSON or in a URL; a key of several lines also line by line.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from immtf.model.block import ServiceGate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from immtf.model.block import Block

BY_NAME = re.compile(
    r"^TF_TOKEN_|(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|SECRET_ACCESS_KEY|ACCESS_KEY_SECRET|API_KEY|PRIVATE_KEY|PGPASSWORD|MYSQL_PWD)$"
)
SHORTEST = 6  # shorter ones would mask words
SHORTEST_LINE = 16  # of several: a key's lines are long, braces and names are not
VARIABLE = "TF_VAR_"
USER_VARIABLE = "ETCDCTL_USER"


def secret_texts(block: Block, process: Mapping[str, str], variables: Mapping[str, Any], sensitive: Collection[str]) -> list[str]:
    """Return the texts to be masked, the longest first.

    `process` is the environment, `variables` are the user's own Terraform variables, `sensitive` the names of those that the
    configuration declares so.
    """
    gates = [gate for cluster in block.clusters.values() for gate in cluster.gates]
    named = {gate.secret_env for gate in gates if isinstance(gate, ServiceGate) and gate.secret_env}
    found = {value for name, value in process.items() if name in named or BY_NAME.search(name.upper())}
    found |= {process.get(name, "").partition(":")[2].strip() for name in (*named, USER_VARIABLE)}  # of `user:password`, the password
    for name in sensitive:
        found.update(_leaves(variables.get(name)))
        found.update(_leaves(_read(process.get(f"{VARIABLE}{name}", ""))))
        found.add(process.get(f"{VARIABLE}{name}", ""))
    return texts_of(found)


def texts_of(values: Collection[Any]) -> list[str]:
    """Return every form in which these secret values could be written, the longest first."""
    pieces = {piece for value in values for text in _leaves(value) for piece in _pieces(text)}
    forms = {form for text in pieces if len(text) >= SHORTEST for form in _forms(text)}
    return sorted(forms, key=lambda text: (-len(text), text))


def _pieces(text: str) -> set[str]:
    """Return a text, also without the white space around it, and each line of one that has several: what tells it may tell a part."""
    lines = [line.strip() for line in text.splitlines()]
    return {text, text.strip(), *(line for line in lines if len(line) >= SHORTEST_LINE)}


def _forms(text: str) -> set[str]:
    return {text, shlex.quote(text), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote(text, safe="")}


def _leaves(value: Any) -> Iterator[str]:
    """Give every text in a value, however deep; a number is a text too, `true` and nothing are none."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _read(text: str) -> Any:
    """Read what Terraform would take for a list or an object; HCL's own syntax is left as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
