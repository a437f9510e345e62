"""The `Builder` port: Packer as a child, its machine-readable output read line by line as it comes.

A line is `time,target,kind,data…`; commas and newlines in it are written in other ways. The image's id is in the artifact's line, never
guessed from the text. Packer that is asked to end, or is past its limit, gets one SIGINT and a long patience: with it it takes down the
instance, the key and the group that it made. A second one would leave them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters.process import Command, Ending, follow
from immtf.errors import ImmtfError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from immtf.model.imaging import Recipe

PATIENCE_S = 300.0
ONLY = "amazon-ebs.aws"
MEND = "mend what it names, then build again"
NO_SOURCE = (
    "let a base out first: `immtf image verify VERSION --family base`, `immtf image promote VERSION --family base`;"
    " or name what to build from: --var source_image=AMI"
)
_UNFOUND = "No AMI was found"  # Packer's words where the template's filters match no image
_IMAGE = re.compile(r"ami-[0-9a-f]+")
_FIELDS = 3
_LAST = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A line of Packer's machine-readable output."""

    target: str
    kind: str
    data: tuple[str, ...]


@dataclass
class Packer:
    """Packer in one place. `place` are the variables that say where it builds; `log` is a directory that keeps what it wrote."""

    program: str
    environment: Mapping[str, str]
    place: Mapping[str, str]
    log: Path
    limit_s: float = 3600.0

    def build(self, recipe: Recipe, listen: Callable[[str, str], None], interrupted: Callable[[], bool]) -> str:
        told = _Told(listen)
        self.log.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = Command(
            argv=argv(self.program, recipe, self.place),
            cwd=recipe.directory,
            environment={**self.environment, "CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1"},
            limit_s=self.limit_s,
            patience_s=PATIENCE_S,
        )
        stdout, stderr = self.log / "packer.log", self.log / "packer.err"
        done = follow(command, stdout=stdout, stderr=stderr, on_line=told.hear, interrupted=interrupted)
        where = str(stdout)
        if done.ending in {Ending.INTERRUPTED, Ending.KILLED} and not done.late:
            how = "Packer was interrupted, and took down what it had made" if done.ending is Ending.INTERRUPTED else "Packer was killed"
            raise Interrupted(how, where=where, next=f"`immtf image build {recipe.directory}` begins anew")
        if done.late:
            raise ImmtfError(
                f"Packer was ended after its limit of {self.limit_s:.0f} s", where=where, next="read its log; give it more with --limit"
            )
        if done.exit_code != 0:
            why = told.why(stderr.read_text(errors="replace"))
            raise ImmtfError(f"Packer failed: {why}", where=where, next=NO_SOURCE if _UNFOUND in why else MEND)
        if not told.images:
            raise ImmtfError("Packer ended well and named no image", where=where, next=f"see that the template has the source {ONLY}")
        return told.images[-1]


@dataclass
class _Told:
    """What Packer said that is needed at the end."""

    listen: Callable[[str, str], None]
    images: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def hear(self, text: str) -> None:
        line = read_line(text)
        match line:
            case Line(kind="ui", data=("say" | "message" as how, said)):
                for part in filter(None, (part.strip() for part in said.splitlines())):
                    self.listen(how, part)
            case Line(kind="ui", data=("error", said)) | Line(kind="error", data=(said, *_)):
                self.errors += [part.strip() for part in said.splitlines() if part.strip()]
            case Line(kind="artifact", data=(_, "id", said, *_)):
                self.images += _IMAGE.findall(said)
            case _:
                pass

    def why(self, stderr: str) -> str:
        """Return Packer's own last errors, each once; what it wrote beside its lines where it named none."""
        lines = list(dict.fromkeys(self.errors)) or [line.strip() for line in stderr.splitlines() if line.strip()]
        return "; ".join(lines[-_LAST:]) or "it said nothing"


def read_line(text: str) -> Line | None:
    """Read one line; None for what is none, as the template's own output may be."""
    fields = text.split(",")
    if len(fields) < _FIELDS or not fields[0].isdigit():
        return None
    return Line(fields[1], fields[2], tuple(_plain(item) for item in fields[_FIELDS:]))


def argv(program: str, recipe: Recipe, place: Mapping[str, str]) -> list[str]:
    """Return the command: the user's variables come after the place's and before those that name the image."""
    named = {"family": recipe.family, "version": recipe.version, "template": recipe.template, "revision": recipe.revision}
    variables = {**place, **recipe.variables, **named}
    given = [f"-var={name}={value}" for name, value in variables.items()]
    return [program, "build", "-machine-readable", f"-only={ONLY}", *given, str(recipe.directory)]


def _plain(text: str) -> str:
    return text.replace("%!(PACKER_COMMA)", ",").replace("\\n", "\n").replace("\\r", "")
