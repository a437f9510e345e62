"""The container: quick, small, no user's and everybody's, needs no network, and says what is wrong within its limits."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from immtf import __version__
from immtf.errors import ExitCode
from tests.container.refusing import refusing_cloud
from tests.container.running import NO_NETWORK, run, terraform_tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docker

SIZE_LIMIT = 750e6  # bytes on disk: half of it Terraform and the provider; see docs/container.md
HELP_LIMIT_S = 1.0
TIMES = re.compile(r"(\d+)m([\d.]+)s")
TOLD_LIMIT_S = 180.0  # what is wrong is told, and not waited out, also where the machine is busy
SHELL = ("--entrypoint", "sh")
KEYS = ("--env", "AWS_ACCESS_KEY_ID=AKIAWRONG", "--env", "AWS_SECRET_ACCESS_KEY=wrong", "--env", "AWS_REGION=eu-west-1")
BLOCK = "/block/blocks/consul"
READ_ONLY = ("--read-only", "--tmpfs", "/tmp", "--tmpfs", "/home/immtf")


def inspected(image: str) -> dict[str, object]:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, timeout=60, check=True)
    return dict(json.loads(done.stdout)[0])


def test_what_the_image_says_of_itself(image: str) -> None:
    found = inspected(image)
    config = found["Config"]
    assert isinstance(config, dict)
    assert (config["Entrypoint"], config["StopSignal"], config["User"], config["WorkingDir"]) == (["immtf"], "SIGTERM", "immtf", "/block")
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert int(str(found["Size"])) < SIZE_LIMIT


def test_help_in_under_a_second(image: str) -> None:
    """The quickest of a few counts; on a machine that is busy with other tests it is the processor's time that does."""
    run(image, "--help")
    ended = [run(image, "--help", options=NO_NETWORK) for _ in range(5)]
    assert [item.code for item in ended] == [0] * 5
    bare = min(run(image, "-c", "true", options=(*NO_NETWORK, *SHELL)).seconds for _ in range(5))  # what the engine itself takes
    if (quickest := min(item.seconds for item in ended)) >= HELP_LIMIT_S + max(0.0, bare - 0.5):
        told = [run(image, "-c", "immtf --help >/dev/null && times", options=(*NO_NETWORK, *SHELL)).stdout for _ in range(3)]
        spent = [sum(60 * int(minutes) + float(rest) for minutes, rest in TIMES.findall(text.splitlines()[-1])) for text in told]
        assert 0 < min(spent) < HELP_LIMIT_S, f"{quickest} s, of which the processor's {spent}"


def test_the_version_and_no_command(image: str) -> None:
    assert run(image, "--version", options=NO_NETWORK).stdout.split()[-1] == __version__
    assert "Usage" in run(image, options=NO_NETWORK).stdout


def test_it_is_nobody_of_importance(image: str) -> None:
    told = run(image, "-c", "id -u; id -g; touch /opt/immtf/x /opt/terraform/x 2>&1 | wc -l; touch ~/x /block/x && echo ok", options=SHELL)
    assert told.stdout.split() == ["1000", "1000", "2", "ok"]


def test_everything_is_compiled_already(image: str) -> None:
    found = run(image, "-c", "find /opt/immtf/lib/python3*/site-packages/immtf -type f", options=(*NO_NETWORK, *SHELL)).stdout.split()
    sources, compiled = (sum(name.endswith(suffix) for name in found) for suffix in (".py", ".pyc"))
    assert compiled == sources > 100


def test_the_tools_are_there_without_a_network(image: str, lab_image: str) -> None:
    told = run(image, "doctor", "--output", "json", options=NO_NETWORK)
    rows = {row["name"]: row for row in map(json.loads, told.stdout.splitlines())}
    assert (rows["terraform"]["version"], rows["terraform"]["problem"]) == ("1.11.4", None)
    assert (rows["hashicorp/aws"]["path"], rows["hashicorp/aws"]["problem"]) == ("/opt/terraform/providers", None)
    lab = run(lab_image, "doctor", "--output", "json", options=NO_NETWORK)
    assert lab.code == 0
    assert {row["name"]: row["problem"] for row in map(json.loads, lab.stdout.splitlines())}["etcd"] is None


def test_terraform_init_of_the_example_without_a_network(image: str, tmp_path: Path) -> None:
    top = terraform_tree(tmp_path)
    mounted = (*NO_NETWORK, "--volume", f"{top}:/block", "--workdir", BLOCK, "--entrypoint", "terraform", "--env", "TF_DATA_DIR=/tmp/data")
    ended = run(image, "init", "-backend=false", "-input=false", "-no-color", options=mounted)
    assert (ended.code, "successfully initialized" in ended.stdout) == (0, True), ended.stderr
    (top / "blocks/consul/more.tf").write_text('resource "random_pet" "more" {}\n')  # a provider that isn't in the image
    start = time.monotonic()
    ended = run(image, "init", "-backend=false", "-input=false", "-no-color", options=mounted)
    assert (ended.code, "hashicorp/random" in ended.stderr) == (1, True)
    assert time.monotonic() - start < TOLD_LIMIT_S


def test_any_user_will_do(image: str, tmp_path: Path) -> None:
    """As Kubernetes and CI run it: a user that has no name, on a read-only file system, with memory for home."""
    top = terraform_tree(tmp_path)
    for options in (("--user", "4711"), ("--user", "4711:4711", *READ_ONLY)):
        mounted = (*NO_NETWORK, *options, *KEYS, "--volume", f"{top}:/block:ro", "--workdir", BLOCK, "--env", "AWS_MAX_ATTEMPTS=1")
        ended = run(image, "plan", "--environment", "x", options=mounted)
        assert (ended.code, "there is no environment x" in ended.stderr) == (2, True), ended.stderr
        ended = run(image, "report", "--list", options=mounted)
        assert (ended.code, ended.stderr) == (0, "")
    (tmp_path / "passwd").write_text("eve:x:4711:4711::/home/eve:/bin/sh\n")  # ssh works for nobody without a name; docker-args gives one
    named = (*NO_NETWORK, "--user", "4711", "--volume", f"{tmp_path}/passwd:/etc/passwd:ro", *SHELL)
    assert "OpenSSH" in run(image, "-c", "ssh -V", options=named).stderr


def test_wrong_credentials_are_told(image: str, tmp_path: Path) -> None:
    top = terraform_tree(tmp_path)
    with refusing_cloud() as endpoint:
        options = ("--network", "host", *KEYS, "--env", f"AWS_ENDPOINT_URL={endpoint}", "--volume", f"{top}:/block", "--workdir", BLOCK)
        ended = run(image, "plan", options=options)
    assert ended.code == ExitCode.PERSON_NEEDED
    told = " ".join(ended.stderr.split())
    assert "AWS was not able to validate the provided access credentials" in told
    assert "renew the credentials" in told
    assert ended.seconds < TOLD_LIMIT_S


def test_no_credentials_and_no_region_are_told(image: str, tmp_path: Path) -> None:
    top = terraform_tree(tmp_path)
    mounted = (*NO_NETWORK, "--volume", f"{top}:/block", "--workdir", BLOCK)
    assert "set AWS_REGION" in run(image, "plan", options=mounted).stderr
    ended = run(image, "plan", options=(*mounted, "--env", "AWS_REGION=eu-west-1"))
    assert (ended.code, "credentials" in ended.stderr) == (1, True)
    assert ended.seconds < TOLD_LIMIT_S


def test_docker_args_from_inside(image: str) -> None:
    ended = run(image, "docker-args", "upgrade", "--yes", options=NO_NETWORK)
    assert (ended.code, ended.stdout.startswith("docker run --rm")) == (0, True)
    assert '"$PWD:/block"' in ended.stdout
