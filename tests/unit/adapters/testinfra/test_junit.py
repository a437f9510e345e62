"""pytest's report, read; and files that are none, or mean harm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.testinfra.junit import MOST_BYTES, ReportUnreadable, read_report
from immtf.model.checking import CheckResult

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">'
TAIL = "</testsuite></testsuites>"
E_LINES = (
    "x.py:3: in importtestmodule\n    import y\nE     File &quot;/t/test_b.py&quot;, line 3\nE       def (\nE   SyntaxError: invalid syntax"
)


def reported(tmp_path: Path, cases: str) -> tuple[CheckResult, ...]:
    file = tmp_path / "report.xml"
    file.write_text(HEAD + cases + TAIL)
    return read_report(file)


def case(inner: str = "", name: str = "test_x", file: str = 'file="test_a.py"') -> str:
    return f'<testcase classname="test_a" name="{name}" {file} line="3" time="0.1">{inner}</testcase>'


@pytest.mark.parametrize(
    ("inner", "outcome", "why"),
    [
        ("", "passed", ""),
        ("<system-out>x</system-out>", "passed", ""),
        ('<failure message="assert 1 == 2&#10; +  where">x</failure>', "failed", "assert 1 == 2\n +  where"),
        (
            '<failure message="AssertionError: assert False&#10; +  where False = f()&#10; + where f = 1">x</failure>',
            "failed",
            "assert False, where False = f()\n + where f = 1",
        ),
        ('<failure message="immtf.errors.GuestFailed: i-1: no">x</failure>', "failed", "GuestFailed: i-1: no"),
        ('<error message="failed on setup with &quot;a.b.NotReached: i-1: no&quot;">x</error>', "failed", "NotReached: i-1: no"),
        ('<error message="failed on teardown with &quot;KeyError: 1&quot;">x</error>', "failed", "KeyError: 1"),
        ('<skipped type="pytest.skip" message="not here">x</skipped>', "skipped", "not here"),
        ("<failure>def x\nE   boom\n</failure>", "failed", "boom"),
        ("<failure/>", "failed", ""),
        ('<skipped message="a"/><failure message="b"/>', "failed", "b"),
        ('<failure message="b"/><skipped message="a"/>', "failed", "b"),
    ],
)
def test_outcomes(tmp_path: Path, inner: str, outcome: str, why: str) -> None:
    assert reported(tmp_path, case(inner)) == (CheckResult("test_a.py::test_x", outcome, why),)  # type: ignore[arg-type]  # one of them


def test_a_test_that_stands_there_twice_is_one_with_its_worst_outcome(tmp_path: Path) -> None:
    """A failure in the teardown of a failed test is a case of its own in pytest's report."""
    results = reported(tmp_path, case('<failure message="first"/>') + case('<error message="second"/>') + case("", "test_y"))
    assert [(result.name, result.outcome, result.why) for result in results] == [
        ("test_a.py::test_x", "failed", "first"),
        ("test_a.py::test_y", "passed", ""),
    ]


@pytest.mark.parametrize("attributes", ['classname="" name="deep.test_b"', 'classname="" name="test_b" file="deep/test_b.py"'])
def test_a_file_that_is_no_python(tmp_path: Path, attributes: str) -> None:
    (result,) = reported(tmp_path, f'<testcase {attributes}><error message="collection failure">{E_LINES}</error></testcase>')
    assert result == CheckResult("deep/test_b.py", "broken", "SyntaxError: invalid syntax (line 3)")


def test_names_without_a_file(tmp_path: Path) -> None:
    results = reported(tmp_path, '<testcase classname="a.b.TestC" name="test_d"/><testcase/>')
    assert [result.name for result in results] == ["a/b/TestC::test_d", "a test without a name"]


def test_an_outcome_outside_of_a_test_is_none(tmp_path: Path) -> None:
    assert reported(tmp_path, '<failure message="x"/>') == ()


BILLION = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuites>&b;</testsuites>'
FILES = {
    "empty": (b"", "not whole"),
    "truncated": ((HEAD + case()).encode(), "not whole"),
    "cut in a tag": ((HEAD + "<testcase na").encode(), "not whole"),
    "no XML": (b"all is well", "not whole"),
    "no UTF-8": (HEAD.encode() + b"\xff\xfe" + TAIL.encode(), "not whole"),
    "no such encoding": (b'<?xml version="1.0" encoding="klingon"?><a/>', "not whole"),
    "entities": (BILLION.encode(), "document type"),
    "outside": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_can_not_be_trusted_is_no_report(tmp_path: Path, name: str) -> None:
    content, why = FILES[name]
    file = tmp_path / "report.xml"
    file.write_bytes(content)
    with pytest.raises(ReportUnreadable, match=why):
        read_report(file)


def test_no_report_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReportUnreadable, match="left no report"):
        read_report(tmp_path / "nothing")
    with pytest.raises(ReportUnreadable, match="can't be read: Is a directory"):
        read_report(tmp_path)


def test_too_much_is_refused_soon_and_depth_does_no_harm(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ReportUnreadable, match="more than 32 MB"):
        reported(tmp_path, case(f"<system-out>{'x' * (MOST_BYTES + 1)}</system-out>"))
    with pytest.raises(ReportUnreadable, match="more than 20000 tests"):
        reported(tmp_path, "".join(f'<testcase name="t{number}"/>' for number in range(20_001)))
    assert reported(tmp_path, "<a>" * 100_000 + "</a>" * 100_000 + case()) != ()
    assert len(reported(tmp_path, case(f"<failure>{'E   y' * 500_000}</failure>"))[0].why) < 300_000
    assert time.monotonic() - began < 60
