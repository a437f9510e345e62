"""The kinds of text that stand in a block's file: each has one check, its own sentence, and a pattern for editors.

A check returns the text unchanged, so that defaults and messages stay what people write; `seconds` reads a time.
The pattern in the JSON schema never refuses what the check accepts.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from immtf.errors import UsageError
from immtf.plan.versions import Constraint, Version

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NAME = r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_-]*$"
_ENVIRONMENT = r"^[A-Za-z_][A-Za-z0-9_]*$"
_INDEX = r'(\["[^"]+"\]|\[[0-9]+\])?'
_ADDRESS = rf"^(module\.[A-Za-z_][A-Za-z0-9_-]*{_INDEX}\.)*(module|aws_instance)\.[A-Za-z_][A-Za-z0-9_-]*$"
_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_USER = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
_CONTAINER = r"^[A-Za-z0-9{][A-Za-z0-9_.{}-]*$"
_SNAPSHOT = r"^snap-[0-9a-f]+$"
_REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
_NAME_LENGTH = 63
_PLACEHOLDERS = {"{address}": "127.0.0.1", "{node}": "node"}


def wrong(what: str, hint: str = "") -> PydanticCustomError:
    """Make the error of a value that has the right type; the sentence passes through pydantic unchanged."""
    return PydanticCustomError("immtf", "{what}", {"what": what, "hint": hint})


def seconds(duration: str) -> float:
    """Read a checked time: `1m30s` is 90 seconds."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", duration))


def given(value: Any) -> Any:
    """Refuse a key that stands there and has nothing behind it."""
    if value is None:
        raise wrong("nothing is written here", "write a value, or leave the key out")
    return value


def _variable(text: str) -> str:
    if re.fullmatch(_VARIABLE, text) is None:
        name = text.removeprefix("var.")
        raise wrong(f"`{text}` is not the name of a Terraform variable", f"`{name}`?" if re.fullmatch(_VARIABLE, name) else "")
    return text


def _name(text: str) -> str:
    if text == "<<":
        raise wrong("`<<` is of YAML 1.1 and merges nothing here", "write the keys out")
    if re.fullmatch(_NAME, text) is None or len(text) > _NAME_LENGTH:
        suggested = "-".join(re.findall(r"[a-z0-9]+", text.lower())).lstrip("0123456789-")[:_NAME_LENGTH]
        hint = f"`{suggested}` would do" if suggested else ""
        raise wrong(f"`{text}` is not a name: small letters, digits, `-` and `_`, a letter first, at most {_NAME_LENGTH}", hint)
    return text


def _duration(text: str) -> str:
    if re.fullmatch(_DURATION, text) is None:
        hint = f"`{text}s`?" if re.fullmatch(r"[0-9.]+", text) else "units are ms, s, m and h"
        raise wrong(f"`{text}` is not a time like `90s`, `5m` or `1m30s`", hint)
    if seconds(text) <= 0:
        raise wrong(f"`{text}` is no time at all", "write a time above 0")
    return text


def _version(text: str) -> str:
    try:
        Version.parse(text)
    except UsageError as error:
        raise wrong(error.what, error.next) from None
    return text


def _constraint(text: str) -> str:
    try:
        Constraint.parse(text)
    except UsageError as error:
        raise wrong(error.what, error.next) from None
    return text


def _address(text: str) -> str:
    if re.fullmatch(_ADDRESS, text):
        return text
    bare = re.fullmatch(r"(.+?)\[[^\]]*\]", text)
    if bare and re.fullmatch(_ADDRESS, bare[1]):
        raise wrong(f"`{text}` is one node", f"name what all nodes are of: `{bare[1]}`")
    hint = f"`module.{text}`?" if re.fullmatch(_VARIABLE, text) else ""
    raise wrong(f"`{text}` is not the address of a module or an aws_instance, like `module.server` or `aws_instance.server`", hint)


def _mount(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute():
        raise wrong(f"`{text}` is not an absolute path", f"`/{text}`?" if text and text[0].isalnum() else "")
    if re.search(r"[\s\\]", text):
        raise wrong(
            f"`{text}` has a blank or a backslash in it, which `findmnt` and `/etc/fstab` write as something else", "rename the place"
        )
    if ".." in path.parts or not text.isprintable() or path == PurePosixPath(path.anchor):
        raise wrong(f"`{text}` can't be the place of a data volume", "name a directory below `/`")
    return text


def _url(text: str) -> str:
    if re.search(r"//[^/?#]*@", text):
        raise wrong("a URL with a user or a password in it", "secrets don't belong in this file")
    filled = text
    for placeholder, example in _PLACEHOLDERS.items():
        filled = filled.replace(placeholder, example)
    if re.search(r"[\s{}]", filled) or not _is_http(filled):
        raise wrong(f"`{text}` is not a URL like `http://{{address}}:8080/health`", "nothing but `{address}` and `{node}` is filled in")
    return text


def _is_http(url: str) -> bool:
    """Whether a URL names a scheme that a gate speaks, a host, and a port if any that is one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _environment(text: str) -> str:
    # The text is not repeated: it may be the secret itself.
    if re.fullmatch(_ENVIRONMENT, text) is None:
        raise wrong("this is not the name of an environment variable", "name the variable that holds the token; never write the token here")
    return text


def _user(text: str) -> str:
    if re.fullmatch(_USER, text) is None:
        raise wrong(f"`{text}` is not the name of a user", "letters, digits, `.`, `-` and `_`, a letter first")
    return text


def _container(text: str) -> str:
    filled = text
    for placeholder in ("{instance_id}", "{address}", "{node}"):
        filled = filled.replace(placeholder, "x")
    if re.fullmatch(_CONTAINER, filled) is None or "{" in filled or "}" in filled:
        raise wrong(f"`{text}` is not the name of a container", "nothing but `{instance_id}`, `{address}` and `{node}` is filled in")
    return text


def _snapshot(text: str) -> str:
    if re.fullmatch(_SNAPSHOT, text) is None:
        raise wrong(f"`{text}` is not the id of a snapshot, like `snap-0123456789abcdef0`")
    return text


def _region(text: str) -> str:
    if re.fullmatch(_REGION, text) is None:
        raise wrong(f"`{text}` is not a region, like `eu-west-1`", "a zone has a letter behind it" if text[-1:].isalpha() else "")
    return text


def _filled(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise wrong("nothing is written here")
    return text


def _shown(pattern: str, example: str) -> Any:
    """Give editors a pattern and an example; pydantic itself doesn't ask the pattern."""
    return Field(json_schema_extra={"pattern": pattern, "examples": [example]})


T = TypeVar("T")
Maybe = Annotated[T | None, BeforeValidator(given)]  # may be left out, but not left empty
Name = Annotated[str, AfterValidator(_name), _shown(_NAME, "consul")]
VersionText = Annotated[str, AfterValidator(_version), _shown(r"^\s*v?[0-9]", "1.1.0")]
ConstraintText = Annotated[str, AfterValidator(_constraint), _shown("[0-9]", "~> 1.1")]
Duration = Annotated[str, AfterValidator(_duration), _shown(_DURATION, "90s")]
Variable = Annotated[str, AfterValidator(_variable), _shown(_VARIABLE, "image_id")]
EnvironmentName = Annotated[str, AfterValidator(_environment), _shown(_ENVIRONMENT, "CONSUL_HTTP_TOKEN")]
Address = Annotated[str, AfterValidator(_address), _shown(_ADDRESS, "module.server")]
MountPath = Annotated[str, AfterValidator(_mount), _shown(r"^/[^ \\]*$", "/var/lib/consul")]
Url = Annotated[str, AfterValidator(_url), _shown("^[Hh]", "http://{address}:8080/health")]
Script = Annotated[str, AfterValidator(_filled), _shown(r"\S", "systemctl is-active postgresql")]
Phrase = Annotated[str, AfterValidator(_filled), _shown(r"\S", "ready")]
TestsPath = Annotated[str, AfterValidator(_filled), _shown(r"\S", "tests")]
UserName = Annotated[str, AfterValidator(_user), _shown(_USER, "admin")]
ContainerName = Annotated[str, AfterValidator(_container), _shown(_CONTAINER, "db-{node}")]
SnapshotId = Annotated[str, AfterValidator(_snapshot), _shown(_SNAPSHOT, "snap-0123456789abcdef0")]
Region = Annotated[str, AfterValidator(_region), _shown(_REGION, "eu-west-1")]
Directory = Annotated[str, AfterValidator(_filled), _shown(r"\S", ".")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Kept = Annotated[int, Field(ge=1, le=100)]
Whole = Annotated[int, Field(ge=0)]
