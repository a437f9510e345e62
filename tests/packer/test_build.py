"""Both images built whole by the local source, from Debian's bare image, and an instance of one asked by its own testinfra files.

The instance is booted by systemd, gets its volume late, is stopped and comes back. Most of the minute and a half is the
base's packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ImmtfError
from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from tests.packer.machine import LOOPS_MAY_BE_MADE, Machine, docker

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKER = Path(__file__).parents[2] / "packer"
BUILD_S = 900
TESTS_S = 300
BOOTS = ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--cgroupns", "private", "--stop-signal", "SIGRTMIN+3"]
NODE = '{"node_name": "a", "bootstrap_expect": 1}'

pytestmark = [pytest.mark.docker, pytest.mark.lab(minutes=1.5), pytest.mark.skipif(shutil.which("packer") is None, reason="no Packer")]


@pytest.fixture(scope="module")
def consul() -> str:
    """The pinned Consul, as immtf's toolchain has it."""
    try:
        program = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready().consul
    except ImmtfError as error:
        pytest.skip(f"no Consul: {error}")
    pinned = json.loads((PACKER / "pins.json").read_text())["consul"]["sha256"]["program"]
    if program is None or hashlib.sha256(program.read_bytes()).hexdigest() != pinned:
        pytest.skip("this machine's Consul is not the pinned one")
    return str(program)


def build(image: str, name: str, **variables: str) -> str:
    """Build an image by the local source; Packer's output. What fails is told with the end of it."""
    given = [f"-var={key}={value}" for key, value in {"local_image": name, **variables}.items()]
    command = ["packer", "build", "-color=false", "-only=docker.local", *given, str(PACKER / image)]
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if ended.returncode != 0:
        raise AssertionError(ended.stdout[-3000:] + ended.stderr[-1000:])
    return ended.stdout


@pytest.fixture(scope="module")
def instance(engine: None, consul: str) -> Iterator[Machine]:  # noqa: ARG001 - it skips where there is none
    """An instance of the Consul image 1.1.0, booted and without its volume."""
    name = f"immtf-packer-{uuid.uuid4().hex[:12]}"
    base, image = f"{name}-base", f"{name}-consul"
    made = Machine(name)
    try:
        build("base", base, version="2.0.0")
        build("consul", image, version="1.1.0", revision="abc", source_image=f"{base}:2.0.0", consul_package=consul)
        docker("run", "--detach", "--name", name, "--hostname", "a", *BOOTS, *LOOPS_MAY_BE_MADE, f"{image}:1.1.0")
        made.sh("mkdir /t")
        made.wait("[ -S /run/systemd/private ] && systemctl is-active --quiet multi-user.target")
        yield made
    finally:
        names = [f"{image}:1.1.0", f"{image}:latest", f"{base}:2.0.0", f"{base}:latest"]
        for loop in made.loops:
            subprocess.run(["docker", "exec", name, "losetup", "--detach", loop], capture_output=True, timeout=60, check=False)
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, timeout=60, check=False)
        subprocess.run(["docker", "rmi", "--force", *names], capture_output=True, timeout=60, check=False)


def asked(instance: Machine, image: str) -> str:
    """Run an image's testinfra files against the instance; pytest's last line. Failed ones are told."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--hosts=docker://{instance.name}",
        str(PACKER / image / "tests"),
    ]
    ended = subprocess.run(command, cwd=PACKER, capture_output=True, text=True, timeout=TESTS_S, check=False)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout.splitlines()[-1]


def test_an_instance_of_the_finished_image_and_a_program_that_is_not_pinned(instance: Machine, tmp_path: Path) -> None:
    assert docker("inspect", "--format", '{{index .Config.Labels "immtf:family"}}', instance.name) == "consul"
    assert re.search(r"[1-9]\d* passed", asked(instance, "base"))
    assert re.search(r"[1-9]\d* passed", asked(instance, "consul"))
    assert not instance.holds("pgrep -x sshd || pgrep -x consul")

    instance.sh(f"echo '{NODE}' >/etc/consul.d/node.json")
    serial = instance.volume()
    instance.attach(serial)
    instance.await_word(serial, "blank")
    instance.mark(serial)
    instance.wait("curl -s http://127.0.0.1:8500/v1/status/leader | grep -q :8300")
    asked(instance, "consul")
    instance.sh("consul kv put kept yes >/dev/null; systemctl stop immtf-volume@data")
    assert not instance.holds("pgrep -x consul || mountpoint -q /var/lib/consul")

    instance.detach("nvme1n1")
    instance.sh("systemctl start --no-block consul; sleep 1")
    assert not instance.holds("systemctl is-active --quiet consul")
    instance.attach(serial)
    instance.wait('[ "$(consul kv get kept 2>/dev/null)" = yes ]')
    instance.detach("nvme1n1")
    instance.wait("! pgrep -x consul && ! mountpoint -q /var/lib/consul")
    asked(instance, "consul")

    wrong = tmp_path / "consul"
    wrong.write_text("#!/bin/sh\necho Consul v1.8.7\n")
    source = docker("inspect", "--format", "{{.Config.Image}}", instance.name)
    with pytest.raises(AssertionError, match="consul_package has sha256"):
        build("consul", "immtf-packer-refused", version="1.1.0", source_image=source, consul_package=str(wrong))
    with pytest.raises(AssertionError, match="consul_package is not given"):
        build("consul", "immtf-packer-refused", version="1.1.0", source_image=source)
