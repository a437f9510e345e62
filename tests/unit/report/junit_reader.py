"""A JUnit file as the strict readers take it: the structure that Jenkins' and Ant's schemas share, checked by hand."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

NUMBER = re.compile(r"\d+")
SECONDS = re.compile(r"\d+\.\d{3}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
ORDER = {"testsuite": ["properties", "testcase"], "testcase": ["skipped", "error", "failure", "system-out"]}
NEEDED = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "skipped": {"message"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}
SHAPES = {"tests": NUMBER, "failures": NUMBER, "errors": NUMBER, "skipped": NUMBER, "time": SECONDS, "timestamp": MOMENT}


def read_junit(text: str) -> ET.Element:
    """Return the one suite of a JUnit file; asserts that any reader can read it."""
    (suite,) = read_suites(text)
    return suite


def read_suites(text: str) -> list[ET.Element]:
    """Return the suites of a JUnit file; asserts that any reader can read it."""
    root = ET.fromstring(text)  # noqa: S314 - written by the code under test
    assert text.startswith("<?xml ")
    assert root.tag == "testsuites"
    for element in root.iter():
        _check(element)
    for suite in root:
        _check_suite(suite)
    for name in ("failures", "errors", "tests"):
        assert root.get(name) == str(sum(int(str(suite.get(name))) for suite in root))
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(names)) == len(names), "some readers keep the last one of a name only"
    return list(root)


def _check_suite(suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    assert cases, "a suite without a case is green to some readers, and an error to others"
    for kind, name in (("failure", "failures"), ("error", "errors")):
        assert suite.get(name) == str(sum(case.find(kind) is not None for case in cases))
    assert suite.get("skipped") == str(sum(case.find("skipped") is not None for case in cases))
    assert suite.get("tests") == str(len(cases))


def _check(element: ET.Element) -> None:
    needed = NEEDED.get(element.tag, set())
    more = {"timestamp"} if element.tag == "testsuite" else set()
    assert needed <= set(element.attrib) <= needed | more, element.tag
    for name, value in element.attrib.items():
        shape = SHAPES.get(name)
        assert shape is None or shape.fullmatch(value), (element.tag, name, value)
    order = ORDER.get(element.tag)
    if order is not None:
        places = [order.index(child.tag) for child in element]
        assert places == sorted(places), "strict readers want an order"
    if element.tag == "testcase":
        results = [child.tag for child in element if child.tag != "system-out"]
        assert len(results) <= 1, results


def results(suite: ET.Element) -> dict[str, str]:
    """Return each case, `consul.nodes server/a`, with its result: passed, failure, error or skipped."""
    return {f"{case.get('classname')} {case.get('name')}": _result(case) for case in suite.findall("testcase")}


def properties(suite: ET.Element) -> dict[str, str]:
    return {str(row.get("name")): str(row.get("value")) for row in suite.iter("property")}


def told(suite: ET.Element, name: str) -> tuple[str, str]:
    """Return the message and the text of a case's result."""
    case = next(case for case in suite.findall("testcase") if f"{case.get('classname')} {case.get('name')}" == name)
    found = next(child for child in case if child.tag != "system-out")
    return str(found.get("message")), found.text or ""


def _result(case: ET.Element) -> str:
    return next((child.tag for child in case if child.tag != "system-out"), "passed")
