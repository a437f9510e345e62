"""pytest's report of a run (JUnit XML), read as what it is: a file that other people's code had a hand in.

It is read with expat's own events: no tree, no entities (a DOCTYPE is refused: pytest writes none), no more than a limit of bytes and of
tests. A report that isn't whole is none: a run that was killed while it wrote has told nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn
from xml.parsers import expat

from immtf.model.checking import CheckResult

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.model.checking import Outcome

MOST_BYTES = 32_000_000
MOST_TESTS = 20_000
_MOST_TEXT = 200_000  # marks of one failure's text that are looked at
_PIECE = 65_536
_OUTCOMES: dict[str, Outcome] = {"failure": "failed", "error": "failed", "skipped": "skipped"}
_WORST: tuple[Outcome, ...] = ("passed", "skipped", "failed", "broken")
_COLLECTION = "collection failure"
_ON_STAGE = re.compile(r'^failed on (?:setup|teardown) with "(.*?)"?$', re.DOTALL)
_MODULE = re.compile(r"^(?:\w+\.)+(?=\w+: )")  # of an exception: `immtf.errors.GuestFailed: …`
_SAID = re.compile(r"^E {1,9}(\S.*)$", re.MULTILINE)
_WHERE = re.compile(r"\n +\+ +where ")
_LINE = re.compile(r'^E +File "[^"]*", line (\d+)$', re.MULTILINE)


class ReportUnreadable(Exception):
    """There is no report, or none that can be trusted; the text says why."""


def read_report(path: Path) -> tuple[CheckResult, ...]:
    """Return each test once, with its worst outcome, in the order of the report. Raises `ReportUnreadable`."""
    reader = _Reader()
    try:
        with path.open("rb") as stream:
            left = MOST_BYTES
            while piece := stream.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise ReportUnreadable(f"its report has more than {MOST_BYTES // 1_000_000} MB")
                reader.parser.Parse(piece, False)
        reader.parser.Parse(b"", True)
    except FileNotFoundError:
        raise ReportUnreadable("it left no report") from None
    except OSError as error:
        raise ReportUnreadable(f"its report can't be read: {error.strerror}") from None
    except (expat.ExpatError, ValueError, LookupError) as error:  # a ValueError or LookupError is of an encoding that nobody knows
        raise ReportUnreadable(f"its report is not whole: {error}") from None
    return tuple(reader.results.values())


class _Reader:
    """Takes the events of one report."""

    def __init__(self) -> None:
        """Begin with no test."""
        self.results: dict[str, CheckResult] = {}
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._test: CheckResult | None = None
        self._kind = ""
        self._message = ""
        self._text: list[str] = []
        self._length = 0

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "testcase":
            self._test = CheckResult(_name(attributes), "passed")
        elif element in _OUTCOMES and self._test:
            self._kind, self._message, self._text, self._length = element, attributes.get("message", ""), [], 0

    def _characters(self, text: str) -> None:
        if self._kind and self._length < _MOST_TEXT:
            self._text.append(text)
            self._length += len(text)

    def _end(self, element: str) -> None:
        if self._test and element == self._kind:
            self._test = _worse(self._test, _came_of(self._test.name, element, self._message, "".join(self._text)))
            self._kind = ""
        elif self._test and element == "testcase":
            known = self.results.get(self._test.name, self._test)
            self.results[self._test.name] = _worse(known, self._test)
            self._test = None
            if len(self.results) > MOST_TESTS:
                raise ReportUnreadable(f"its report has more than {MOST_TESTS} tests")

    def _refuse(self, *_declared: Any) -> NoReturn:
        raise ReportUnreadable("its report declares a document type, as pytest's never does")


def _worse(one: CheckResult, other: CheckResult) -> CheckResult:
    """Return the worse of two, the first where both are as bad."""
    return max(one, other, key=lambda result: _WORST.index(result.outcome))


def _came_of(test: str, element: str, message: str, text: str) -> CheckResult:
    """Return what an element in a test's case says of it."""
    if message == _COLLECTION:  # there is no test, only the file
        return CheckResult(test.partition("::")[0], "broken", _last_said(text) + _in_line(text) or message)
    return CheckResult(test, _OUTCOMES[element], _plain(message) or _last_said(text))


def _name(attributes: dict[str, str]) -> str:
    """Return a test's name with its file; of a file that broke, the file."""
    name, file = attributes.get("name", ""), attributes.get("file", "")
    place = file or attributes.get("classname", "").replace(".", "/")
    return f"{place}::{name}" if place else (f"{name.replace('.', '/')}.py" if name else "a test without a name")


def _plain(message: str) -> str:
    """Return a message without the stage it happened in and the module of its exception, of an assertion with the first of its reasons.

    A message that is a whole text of pytest's own has the line that counts marked.
    """
    staged = _ON_STAGE.match(message)
    said = _SAID.search(message)
    words = _MODULE.sub("", said[1] if said else staged[1] if staged else message).removeprefix("AssertionError: ")
    return _WHERE.sub(", where ", words, count=1)


def _in_line(text: str) -> str:
    """Return the line of the file that is no Python, "" where that is not what is wrong."""
    lines = _LINE.findall(text)
    return f" (line {lines[-1]})" if lines else ""


def _last_said(text: str) -> str:
    """Return the last line that pytest marks as the exception's own."""
    said = _SAID.findall(text)
    return _MODULE.sub("", said[-1]) if said else ""
