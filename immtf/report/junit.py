"""JUnit XML as GitHub's actions, GitLab and Jenkins read it: suites, their cases, each passed, failed, in error or skipped.

There is no one standard. What is written here is what all of them take: `testsuites` with a `testsuite` each, whose children stand in
the order that the strict readers want (properties, cases), and of each case at most one result before its output. Times are seconds with a
point, the timestamp is UTC without a zone. No text may spoil the file: what XML can't hold (control characters, halves of surrogate
pairs) is left out, and two cases never bear the same name, since some readers keep only the last one.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from immtf.report.wording import without_escapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

Result: TypeAlias = Literal["passed", "failure", "error", "skipped"]
_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `group` is what it belongs to (`consul.nodes`), `name` what it is about, `seconds` how long it took.

    `reason` is the one line that says why it did not pass, `text` all of it; `output` is what was seen, a line each.
    """

    group: str
    name: str
    seconds: float = 0.0
    result: Result = "passed"
    reason: str = ""
    text: str = ""
    kind: str = ""
    output: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases under a name. `began` is when it began, `seconds` how long it took altogether."""

    name: str
    cases: Sequence[Case]
    properties: Mapping[str, str] = field(default_factory=dict)
    began: datetime | None = None
    seconds: float = 0.0


def document(first: Suite, *others: Suite) -> str:
    """Return the file's text. The first suite is that of the whole: others are parts of it, some side by side."""
    suites = (first, *others)
    told = [(suite, _each_once(suite.cases)) for suite in suites]
    totals = _counted([case for _, cases in told for case in cases])
    root = ET.Element("testsuites", {"name": printed(first.name), **totals, "time": _time(first.seconds)})
    for suite, cases in told:
        _add_suite(root, suite, cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _counted(cases: Sequence[Case]) -> dict[str, str]:
    counts = {name: sum(case.result == kind for case in cases) for name, kind in (("failures", "failure"), ("errors", "error"))}
    return {"tests": str(len(cases)), **{name: str(count) for name, count in counts.items()}}


def _add_suite(root: ET.Element, suite: Suite, cases: Sequence[Case]) -> None:
    skipped = str(sum(case.result == "skipped" for case in cases))
    known = {"name": printed(suite.name), **_counted(cases), "skipped": skipped, "time": _time(suite.seconds)}
    element = ET.SubElement(root, "testsuite", known)
    if suite.began is not None:
        element.set("timestamp", suite.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    group = ET.SubElement(element, "properties")
    for key, value in suite.properties.items():
        ET.SubElement(group, "property", {"name": printed(key), "value": printed(value)})
    for case in cases:
        _add(element, case)


def printed(text: str) -> str:
    """Return the text without what XML can't hold, and without a terminal's escape sequences."""
    return _NO_XML.sub("", without_escapes(text))


def _add(suite: ET.Element, case: Case) -> None:
    row = ET.SubElement(suite, "testcase", {"classname": printed(case.group), "name": printed(case.name), "time": _time(case.seconds)})
    if case.result == "skipped":
        ET.SubElement(row, "skipped", {"message": printed(case.reason)})
    elif case.result != "passed":
        result = ET.SubElement(row, case.result, {"message": printed(case.reason), "type": printed(case.kind or case.result)})
        result.text = printed(case.text or case.reason)
    if case.output:
        ET.SubElement(row, "system-out").text = printed("\n".join(case.output))


def _each_once(cases: Iterable[Case]) -> list[Case]:
    """Return the cases in their order, the second of one name called `name (2)`."""
    seen: dict[tuple[str, str], int] = {}
    told = []
    for case in cases:
        key = case.group, case.name
        seen[key] = seen.get(key, 0) + 1
        told.append(case if seen[key] == 1 else replace(case, name=f"{case.name} ({seen[key]})"))
    return told


def _time(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}"
