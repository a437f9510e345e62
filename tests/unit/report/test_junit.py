from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from immtf.report.junit import Case, Suite, document, printed
from tests.unit.report.junit_reader import properties, read_junit, read_suites, results, told

AWKWARD = "a\x00b\x1b[31mred\x1b[0m \x85\ud800\ufffe\uffff <&\"'>]]> ok\n\ttab ✓ 𝄞"


def test_a_file_with_each_result() -> None:
    cases = [
        Case("b.nodes", "server/a", 12.3456, output=("stop node: stopped", "apply node: applied")),
        Case("b.gates", "consul", 1.0, "failure", "no leader", "no leader\nnext: look", "gate_failed"),
        Case("b.run", "upgrade", 0.0, "error", "asked to end"),
        Case("b.nodes", "server/b", result="skipped", reason="not reached"),
    ]
    began = datetime(2026, 11, 21, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    suite = read_junit(document(Suite("immtf upgrade b", cases, {"run": "r1"}, began, 61.5)))
    assert list(results(suite).values()) == ["passed", "failure", "error", "skipped"]
    assert (suite.get("timestamp"), suite.get("time"), properties(suite)) == ("2026-11-21T09:00:00", "61.500", {"run": "r1"})
    assert told(suite, "b.gates consul") == ("no leader", "no leader\nnext: look")
    assert told(suite, "b.run upgrade") == ("asked to end", "asked to end")
    assert [case.get("time") for case in suite.findall("testcase")] == ["12.346", "1.000", "0.000", "0.000"]
    assert suite.findtext("testcase/system-out") == "stop node: stopped\napply node: applied"


def test_no_text_spoils_the_file() -> None:
    case = Case(AWKWARD, AWKWARD, -1.0, "failure", AWKWARD, AWKWARD, AWKWARD, (AWKWARD,))
    suite = read_junit(document(Suite(AWKWARD, [case], {AWKWARD: AWKWARD})))
    assert suite.findtext("testcase/failure") == "abred  <&\"'>]]> ok\n\ttab ✓ 𝄞"
    assert suite.get("timestamp") is None
    document(Suite(AWKWARD, [case])).encode("utf-8")


def test_each_name_comes_once() -> None:
    cases = [Case("b.stages", "observe", float(number)) for number in range(3)]
    suite = read_junit(document(Suite("b", cases)))
    assert list(results(suite)) == ["b.stages observe", "b.stages observe (2)", "b.stages observe (3)"]


@pytest.mark.parametrize("code", [0x00, 0x08, 0x0B, 0x1B, 0x7F, 0x9F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF], ids=hex)
def test_what_xml_can_not_hold_is_left_out(code: int) -> None:
    assert printed(f"a{chr(code)}b") == "ab"


def test_the_moment_is_utc() -> None:
    text = document(Suite("b", [Case("b", "c")], began=datetime(2026, 1, 1, tzinfo=UTC)))
    assert 'timestamp="2026-01-01T00:00:00"' in text


def test_several_suites_are_counted_together() -> None:
    failed = Case("b.run", "upgrade", result="failure", reason="no")
    first, second = read_suites(document(Suite("all", [Case("all.run", "upgrade")], seconds=5.0), Suite("b", [failed], seconds=9.0)))
    assert [suite.get("name") for suite in (first, second)] == ["all", "b"]
    assert (first.get("failures"), second.get("failures")) == ("0", "1")
