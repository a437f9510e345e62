"""The pytest that a run starts: the whole of its arguments, and its environment."""

from __future__ import annotations

from pathlib import Path

from immtf.adapters.testinfra.command import argv, child_environment, directory_of

SCRATCH = Path("/scratch")


def test_the_whole_command(tmp_path: Path) -> None:
    tests = tmp_path / "test_a.py"
    assert argv("/py", tests, scratch=SCRATCH, settings=None) == [
        *("/py", "-P", "-m", "pytest", "-p", "immtf.adapters.testinfra.plugin", "-p", "no:cacheprovider", "-c", "/dev/null"),
        *(f"--rootdir={tmp_path}", f"--confcutdir={tmp_path}", "--basetemp=/scratch/tmp", "--junitxml=/scratch/report.xml"),
        *("-o", "junit_family=xunit1", "-o", "junit_logging=no", "--tb=short", "--color=no", "-q", "./test_a.py"),
    ]
    command = argv("/py", tests, scratch=SCRATCH, settings=tmp_path / "pytest.ini")
    assert command[command.index("-c") + 1] == str(tmp_path / "pytest.ini")
    assert argv("/py", tmp_path, scratch=SCRATCH, settings=None)[-1] == "."


def test_the_directory_of_tests(tmp_path: Path) -> None:
    assert directory_of(tmp_path) == tmp_path
    assert directory_of(tmp_path / "test_a.py") == tmp_path


def test_the_environment_reaches_aws_and_changes_no_pytest() -> None:
    given = {"AWS_SESSION_TOKEN": "t", "PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "x", "COV_CORE_SOURCE": "y", "PYTHONPATH": "/mine"}
    assert child_environment(given, package=Path("/site"), facts=Path("/f")) == {
        "AWS_SESSION_TOKEN": "t",
        "PYTHONPATH": "/site:/mine",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "IMMTF_CHECK_FACTS": "/f",
    }
    assert child_environment({}, package=Path("/site"), facts=Path("/f"))["PYTHONPATH"] == "/site"
