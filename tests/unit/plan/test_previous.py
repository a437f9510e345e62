"""What the end of a container means, how hard it is pressed, and what it is given."""

from __future__ import annotations

import pytest

from immtf.errors import ExitCode
from immtf.model.container import ContainerEnd
from immtf.plan.previous import (
    Patience,
    Pressure,
    create_arguments,
    credential_files,
    end_in_words,
    is_reference,
    own_code,
    passed_on,
)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ContainerEnd(1), "exit code 1: an error"),
        (ContainerEnd(2), "exit code 2: it does not take what it was called with: its immtf may be too old for this one"),
        (ContainerEnd(20), "exit code 20: a gate did not hold, and it stopped at a safe point"),
        (ContainerEnd(127), "exit code 127: its program is not in the image: is it made from immtf's image?"),
        (ContainerEnd(137), "exit code 137: it was killed by SIGKILL"),
        (ContainerEnd(137, out_of_memory=True), "exit code 137: it ran out of memory"),
        (ContainerEnd(255), "exit code 255: which is none of immtf's"),
        (ContainerEnd(77), "exit code 77: which is none of immtf's"),
        (ContainerEnd(125, problem="somebody removed it"), "it could not be run: somebody removed it"),
    ],
    ids=lambda value: str(value.exit_code) if isinstance(value, ContainerEnd) else "",
)
def test_every_end_is_told_in_words(end: ContainerEnd, words: str) -> None:
    assert end_in_words(end) == words


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.DONE], ids=lambda code: code.name)
def test_each_exit_code_of_ours_has_words_of_its_own(code: ExitCode) -> None:
    assert "none of immtf's" not in end_in_words(ContainerEnd(int(code)))


@pytest.mark.parametrize(("code", "own"), [(20, 20), (22, 22), (23, 23), (24, 24), (30, 30), (1, 1), (2, 1), (10, 1), (21, 1), (137, 1)])
def test_what_means_the_same_to_the_caller_is_passed_on(code: int, own: int) -> None:
    assert own_code(ContainerEnd(code)) == own


@pytest.mark.parametrize("text", ["consul-block:1.0.0", "registry:5000/x/consul-block", f"a/b@sha256:{'0' * 64}", "consul"])
def test_names_of_images(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize("text", ["", "-x", "Consul:1", "a b", "consul:", "../x", "a@sha256:12"])
def test_no_names_of_images(text: str) -> None:
    assert not is_reference(text)


def pressed(pressure: Pressure, *looks: tuple[float, int]) -> list[str | None]:
    return [pressure.press(at, requests) for at, requests in looks]


def test_each_request_is_passed_on_once() -> None:
    looks = ((0.0, 0), (1.0, 1), (2.0, 1), (3.0, 2), (4.0, 2))
    assert pressed(Pressure(Patience()), *looks) == [None, "SIGTERM", None, "SIGTERM", None]


def test_one_that_does_not_end_is_asked_again_and_then_killed() -> None:
    pressure = Pressure(Patience(limit_s=100, orderly_s=10, urgent_s=5))
    looks = ((1.0, 1), (10.9, 1), (11.0, 1), (15.9, 1), (16.0, 1), (60.0, 2))
    assert pressed(pressure, *looks) == ["SIGTERM", None, "SIGTERM", None, "SIGKILL", None]
    assert not pressure.late


def test_one_that_is_past_its_limit_is_asked_without_a_request() -> None:
    pressure = Pressure(Patience(limit_s=100, orderly_s=10, urgent_s=5))
    assert pressed(pressure, (99.0, 0), (100.0, 0), (109.0, 0), (110.0, 0), (115.0, 0)) == [None, "SIGTERM", None, "SIGTERM", "SIGKILL"]
    assert pressure.late


PROCESS = {
    "HOME": "/home/eve",
    "PATH": "/bin",
    "USER": "eve",
    "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_CONFIG_FILE": "/etc/aws",
    "https_proxy": "http://p",
    "TF_VAR_x": "1",
    "TF_CLI_CONFIG_FILE": "/t",
    "CONSUL_TOKEN": "t",
    "IMMTF_HOME": "/h",
}


def test_the_container_gets_what_it_needs_and_no_more() -> None:
    lab = {"USER": "eve", "TF_VAR_x": "1", "CONSUL_TOKEN": "t"}
    aws = {"AWS_SECRET_ACCESS_KEY": "s", "AWS_CONFIG_FILE": "/etc/aws", "https_proxy": "http://p"}
    assert passed_on(PROCESS, {"CONSUL_TOKEN"}, lab=True) == lab
    assert passed_on(PROCESS, {"CONSUL_TOKEN"}, lab=False) == lab | aws


def test_files_with_credentials_are_where_the_libraries_look() -> None:
    assert credential_files(PROCESS) == {"AWS_SHARED_CREDENTIALS_FILE": "/home/eve/.aws/credentials", "AWS_CONFIG_FILE": "/etc/aws"}
    assert credential_files({}) == {}


def test_the_command_that_older_versions_have_to_understand() -> None:
    """Change it only with docs/previous-version.md: images that are out there are called so."""
    place = ("--lab", "--lab-running", "--lab-name=t-1")
    assert create_arguments("/block", "/h", place, "ami-1", "/h/v.json") == (
        *("create", "/block", "--yes", "--output=json", "--home=/h"),
        *("--lab", "--lab-running", "--lab-name=t-1", "--image=ami-1", "--var-file=/h/v.json"),
    )
    assert create_arguments("/block", "/h", ("--environment=t-1",), "", "")[-1] == "--environment=t-1"
