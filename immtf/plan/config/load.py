"""The one way in: a path becomes a `Block`, or an error with every mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from immtf.errors import UsageError
from immtf.plan.config.build import build_block
from immtf.plan.config.checks import cross_checks
from immtf.plan.config.document import Document, read_document
from immtf.plan.config.messages import described, explain
from immtf.plan.config.mistakes import ConfigInvalid, Mistake, dotted
from immtf.plan.config.schema import BlockFile, keys_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from immtf.model.block import Block
    from immtf.plan.config.checks import Remark
    from immtf.plan.config.document import Path as DataPath
    from immtf.plan.config.syntax import Finding

FILE_NAME = "immtf.yaml"
_MAX_BYTES = 1_000_000  # such a file has some kilobytes; more is a slip, and would be read for minutes
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Form(Generic[M]):
    """A kind of file: its shape, what is checked besides, which keys a mapping may have, how it begins, and its `immtf schema` command."""

    model: type[M]
    checks: Callable[[dict[str, Any], Path], Iterable[Remark]]
    keys: Callable[[DataPath], list[str]]
    begin: str
    schema: str


BLOCK_FILE = Form(
    BlockFile,
    lambda data, file: cross_checks(data, file.parent),
    keys_at,
    "begin with `block: NAME` and `version: 1.0.0`",
    "immtf schema",
)


def load_block(path: Path) -> Block:
    """Read the block at `path`, its directory or its file.

    Raises `UsageError` where there is no such file, `ConfigInvalid` with every mistake that is in it.
    """
    file = _file(path)
    content, document = _read(file, BLOCK_FILE)
    lines = {name: document.place(("requires", name), key=True)[0] for name in content.requires}
    return build_block(content, file, lines)


def read_checked(file: Path, form: Form[M]) -> M:
    """Return what stands in a file of this form. Raises `UsageError` where it can't be read, `ConfigInvalid` with all that is wrong."""
    return _read(file, form)[0]


def _read(file: Path, form: Form[M]) -> tuple[M, Document]:
    content, document, findings = _checked(file, form)
    if content is None or findings:
        mistakes = tuple(Mistake(file, *place, dotted(where), what, hint) for place, where, what, hint in findings)
        raise ConfigInvalid(mistakes, form.schema)
    return content, document


def _file(path: Path) -> Path:
    """Find the file; links to it are not followed, for what it names is relative to where it stands."""
    try:
        file = path.resolve() / FILE_NAME if path.is_dir() else path.parent.resolve() / path.name
        if file.is_file():
            return file
        other = next((near.name for near in (file.with_suffix(".yml"), file.with_suffix(".json")) if near.is_file()), "")
    except OSError as error:
        raise UsageError(
            f"the block can't be looked for: {error.strerror}", where=str(path), next="name the directory of a block"
        ) from None
    advice = f"rename {other} to {FILE_NAME}" if other else f"name the directory of a block, or write its {FILE_NAME}"
    raise UsageError(f"there is no file {file.name}", where=str(file.parent), next=advice)


def _checked(file: Path, form: Form[M]) -> tuple[M | None, Document, list[Finding]]:
    """Read and validate; return the content where the schema accepts it, the places of it all, and all that is wrong."""
    text, findings = _text(file)
    document = read_document(text) if not findings else Document(findings=findings)
    findings = list(document.findings)
    if not isinstance(document.data, dict):
        return None, document, findings or [(document.place(()), (), *_not_a_mapping(document, form.begin))]
    findings += [(document.place(path), path, what, hint) for path, what, hint in form.checks(document.data, file)]
    try:
        return form.model.model_validate(document.data), document, findings
    except ValidationError as error:
        return None, document, explain(error.errors(include_url=False), document, form.keys) + findings


def _text(file: Path) -> tuple[str, list[Finding]]:
    """Read the file as UTF-8, or say why not."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the file can't be read: {error.strerror}", where=str(file), next="check its owner and mode") from None
    if len(raw) > _MAX_BYTES:
        return "", [((1, 1), (), "over a megabyte: this is not a file for a person to write", "")]
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = (before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1)
        return "", [(place, (), "a byte that is not UTF-8", "save the file as UTF-8")]


def _not_a_mapping(document: Document, begin: str) -> tuple[str, str]:
    """Say what the file holds instead of keys."""
    if document.data is None:
        return "the file is empty", begin
    return f"the file should be a mapping (`key: value`), is {described(document.data)}", begin
