"""One run of a user's tests: pytest in a child of its own, ended at its limit with everything it started, and judged by its report.

What the tests are told goes to them in a private file that the environment names. The child ends itself a little before its limit where
a command on the node hangs (see `backend`), so that the test that waits is named; past the limit it is interrupted, then killed.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.process import Command, Ending, follow
from immtf.adapters.testinfra.command import argv, child_environment, directory_of
from immtf.adapters.testinfra.junit import ReportUnreadable, read_report
from immtf.adapters.testinfra.watch import Watch, read_tail
from immtf.model.checking import CheckFacts, Connection, NodeFacts, facts_to_json
from immtf.model.verdict import Verdict
from immtf.plan.checking import Ran, judge_run
from immtf.plan.testfiles import OWN_SETTINGS, missing_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.model.block import TestinfraGate

EXTRA = "immtf[testinfra]"
NEEDED = ("pytest", "testinfra")
PATIENCE_S = 10.0
UNDER_WAY = "under-way"


def is_installed(package: str) -> bool:
    """Return whether Python finds a package."""
    return importlib.util.find_spec(package) is not None


def run_checks(
    tests: Path,
    *,
    connection: Connection,
    facts: CheckFacts,
    environment: Mapping[str, str],
    limit_s: float,
    interrupted: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _text: None,
) -> Verdict:
    """Run the tests of a file or directory on one instance; return whether all passed, with the names of those that did not.

    `environment` is complete: what reaches AWS, a Docker engine or an ssh agent is in it. All tests together get `limit_s` seconds;
    `interrupted` is asked all the time and the first true ends them. `tell` hears now and then which test is under way. A verdict
    that is `final` is of what no wait mends: no tests, a file that can't be read, a tool that isn't there.
    """
    tests = tests.absolute()
    if found := hindrance(tests, connection, facts, environment):
        return found
    watch = Watch(interrupted, tell, facts.node.name or facts.node.instance_id)
    with _scratch(facts, connection, limit_s) as scratch:
        verdict = _verdict(_command(tests, scratch, environment, limit_s), scratch, watch)
    return _with_next(verdict, tests)


def collect_checks(tests: Path, *, connection: Connection, environment: Mapping[str, str], limit_s: float) -> Verdict:
    """Return whether the tests could be run from here: all that `run_checks` would deny at once is told, and no node is asked."""
    tests = tests.absolute()
    anybody = CheckFacts(node=NodeFacts(instance_id="i-0", address="127.0.0.1"))
    if found := hindrance(tests, connection, anybody, environment):
        return found
    with _scratch(anybody, connection, limit_s) as scratch:
        command = _command(tests, scratch, environment, limit_s)
        verdict = _verdict(replace(command, argv=[*command.argv, "--collect-only"]), scratch, Watch(), collected=True)
    return _with_next(verdict, tests)


@dataclass(frozen=True, slots=True)
class PytestChecks:
    """The port: the tests that a gate names, reached as it says.

    `environment` is that of children; `interrupted` is the wish to end at once; `tell` hears of long runs.
    """

    environment: Mapping[str, str]
    interrupted: Callable[[], bool] = lambda: False
    tell: Callable[[str], None] = lambda _text: None

    def run(self, gate: TestinfraGate, facts: CheckFacts) -> Verdict:
        connection = _connection(gate, facts, self.environment)
        if isinstance(connection, Verdict):
            return connection
        return run_checks(
            gate.tests,
            connection=connection,
            facts=facts,
            environment=self.environment,
            limit_s=gate.timeout_s,
            interrupted=self.interrupted,
            tell=self.tell,
        )

    def ready(self, gate: TestinfraGate) -> Verdict:
        connection = _connection(gate, CheckFacts(), self.environment)
        if isinstance(connection, Verdict):
            return connection
        return collect_checks(gate.tests, connection=connection, environment=self.environment, limit_s=gate.timeout_s)


def _connection(gate: TestinfraGate, facts: CheckFacts, environment: Mapping[str, str]) -> Connection | Verdict:
    """Return how the node is reached, or why the key can't be had; what the variable holds is never repeated."""
    node, container = facts.node, gate.container or ""
    for placeholder, value in {"{instance_id}": node.instance_id, "{address}": node.address, "{node}": node.key}.items():
        container = container.replace(placeholder, value)
    identity = environment.get(gate.key_env, "") if gate.key_env else ""
    if gate.key_env and not _is_file(identity):
        what = "is not set" if not identity else "doesn't hold the path of a file that can be read"
        return _final(f"the variable {gate.key_env} {what}", f"set {gate.key_env} to the path of the private key's file")
    return Connection(way=gate.connection, user=gate.user, port=gate.port, identity=identity, container=container)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a key's text is no path
        return False


def hindrance(
    tests: Path,
    connection: Connection,
    facts: CheckFacts,
    environment: Mapping[str, str],
    installed: Callable[[str], bool] = is_installed,
) -> Verdict | None:
    """Return why the tests can't be run at all, or None."""
    if missing := missing_tests(tests):
        return _final(missing, "put tests there")
    if absent := [package for package in NEEDED if not installed(package)]:
        return _final(f"{' and '.join(absent)} can't be imported", f"install the extra: pip install '{EXTRA}'")
    if connection.way != "ssm" and shutil.which(connection.way, path=environment.get("PATH")) is None:
        return _final(
            f"there is no program `{connection.way}` on the path", f"install it, or use another `connection` than {connection.way}"
        )
    aim = {"ssm": facts.node.instance_id, "ssh": facts.node.address, "docker": connection.container or facts.node.instance_id}[
        connection.way
    ]
    return None if aim else Verdict(held=False, reason=f"nobody knows where to reach the node by {connection.way}", unknown=True)


def _final(reason: str, mend: str) -> Verdict:
    return Verdict(held=False, reason=reason, final=True, next=mend, unknown=True)


def _command(tests: Path, scratch: Path, environment: Mapping[str, str], limit_s: float) -> Command:
    directory = directory_of(tests)
    settings = directory / OWN_SETTINGS
    package = Path(__file__).resolve().parents[3]
    return Command(
        argv=argv(sys.executable, tests, scratch=scratch, settings=settings if settings.is_file() else None),
        cwd=directory,
        environment=child_environment(environment, package=package, facts=scratch / "facts.json"),
        limit_s=limit_s,
        patience_s=PATIENCE_S,
        whole_group=True,
    )


@contextmanager
def _scratch(facts: CheckFacts, connection: Connection, limit_s: float) -> Iterator[Path]:
    """Give a private directory with the facts in it."""
    with tempfile.TemporaryDirectory(prefix="immtf-checks-", ignore_cleanup_errors=True) as made:
        scratch = Path(made)
        told = {**facts_to_json(facts, connection), "limit_s": limit_s, "under_way": str(scratch / UNDER_WAY)}
        _write_private(scratch / "facts.json", told)
        yield scratch


def _verdict(command: Command, scratch: Path, watch: Watch, *, collected: bool = False) -> Verdict:
    """Run pytest to its end and judge it; where it only collects tests, its exit code is enough."""
    asked = watch.over(scratch / UNDER_WAY)
    done = follow(command, stdout=scratch / "stdout", stderr=scratch / "stderr", interrupted=asked)
    if done.ending is Ending.INTERRUPTED:
        return Verdict(held=False, reason="the tests were interrupted, as asked", unknown=True)
    if collected and done.exit_code == 0 and not done.late:
        return Verdict(held=True, reason="the tests can be read")
    return judge_run(_ran(scratch, done.exit_code, late=done.late, limit_s=command.limit_s))


def _with_next(verdict: Verdict, tests: Path) -> Verdict:
    return verdict if verdict.held or verdict.next else replace(verdict, next=f"mend the node, or the tests in {tests}")


def _ran(scratch: Path, exit_code: int, *, late: bool, limit_s: float) -> Ran:
    results, problem = None, ""
    try:
        results = read_report(scratch / "report.xml")
    except ReportUnreadable as error:
        problem = str(error)
    said = _last_words(scratch / "stderr") or _last_words(scratch / "stdout")
    under_way = read_tail(scratch / UNDER_WAY).strip()
    return Ran(exit_code=exit_code, results=results, problem=problem, said=said, late=late, limit_s=limit_s, under_way=under_way)


def _last_words(path: Path) -> str:
    """Return the last line that pytest marks as an exception's own, else the last that speaks of an error, else the last of all."""
    lines = [line for line in read_tail(path).splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E  ")]
    errors = [line for line in lines if "rror: " in line]
    return (marked or errors or lines or [""])[-1]


def _write_private(path: Path, told: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(told), encoding="utf-8")
