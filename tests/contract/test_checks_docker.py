"""Tests of a node over Docker and over SSH, against real containers: a plain one, and the lab's guest image with its own sshd."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.testinfra import PytestChecks
from immtf.model import block
from immtf.model.checking import BlockFacts, CheckFacts, NodeFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.model.verdict import Verdict

pytestmark = pytest.mark.docker
LIMIT_S = 120.0
IMAGE = "debian:bookworm-slim"
TESTS = """
def test_it_is_the_machine(host, node, root):
    assert root == ""
    assert host.check_output("cat /etc/mark") == f"of {node.key}"
    assert host.file("/etc/mark").user == "root" and host.package("libc6").is_installed
    assert host.run("echo %s >&2; exit 9", "a'b {{c}}").stderr == "a'b {{c}}\\n"
"""


def docker(*arguments: str) -> str:
    """Run the Docker client, which has to end well."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def no_engine() -> str:
    """Say why no container can be started here, "" where one can."""
    if shutil.which("docker") is None:
        return "there is no docker on the path"
    done = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return "" if done.returncode == 0 else f"no engine, or no image {IMAGE}: {done.stderr.strip()}"


@pytest.fixture(scope="module")
def engine() -> None:
    if why := no_engine():
        pytest.skip(why)


@pytest.fixture(scope="module")
def container(engine: None) -> Iterator[str]:
    del engine
    name = f"immtf-test-checks-{os.getpid()}"
    docker("run", "-d", "--rm", "--init", "--name", name, "--label", f"immtf.lab.instance=i-{os.getpid()}", IMAGE, "sleep", "900")
    docker("exec", name, "sh", "-c", "echo of a > /etc/mark")
    yield name
    docker("rm", "-f", name)


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    file = tmp_path / "test_it.py"
    file.write_text(TESTS)
    return file


def asked(gate: block.TestinfraGate, *, address: str = "", instance_id: str = "", **more: str) -> Verdict:
    node = NodeFacts(name="server/a", cluster="server", key="a", instance_id=instance_id, address=address)
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}
    return PytestChecks(environment).run(gate, CheckFacts(node=node, block=BlockFacts(name="x")))


def test_a_container_by_its_name_or_as_the_lab_s(container: str, tests: Path) -> None:
    named = block.TestinfraGate(tests=tests, connection="docker", container=container)
    assert asked(named).reason == "1 passed"
    found = block.TestinfraGate(tests=tests, connection="docker")
    assert asked(found, instance_id=f"i-{os.getpid()}").reason == "1 passed"
    assert "NotReached: 0 containers of a lab are i-none" in asked(found, instance_id="i-none").reason
    gone = asked(block.TestinfraGate(tests=tests, connection="docker", container="no-such-{node}"))
    assert "NotReached: no-such-a: " in gone.reason
    assert "No such container" in gone.reason
    assert not gone.final


@pytest.fixture(scope="module")
def guest(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Give the address of a container with the lab's own sshd, and a key that it lets in."""
    del engine
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no OpenSSH client on the path")
    sdk = pytest.importorskip("docker")
    from immtf.lab.docker.base_image import ensure

    client = sdk.from_env(timeout=60)
    try:
        tag = ensure(client, progress=lambda _text: None)
    finally:
        client.close()
    key = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], timeout=LIMIT_S, check=True)
    name = f"immtf-test-ssh-{os.getpid()}"
    docker("run", "-d", "--rm", "--init", "--name", name, "--entrypoint", "sleep", tag, "900")
    public = key.with_suffix(".pub").read_text().strip()
    allow = f"mkdir -p -m 700 /root/.ssh && echo '{public}' > /root/.ssh/authorized_keys && echo of a > /etc/mark"
    docker("exec", name, "sh", "-c", f"{allow} && mkdir -p /run/sshd && ssh-keygen -A && /usr/sbin/sshd -o PermitRootLogin=yes")
    yield docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name), key
    docker("rm", "-f", name)


def test_a_machine_over_ssh(guest: tuple[str, Path], tests: Path) -> None:
    address, key = guest
    gate = block.TestinfraGate(tests=tests, connection="ssh", user="root", key_env="NODE_KEY_FILE", timeout_s=LIMIT_S)
    assert asked(gate, address=address, NODE_KEY_FILE=str(key)).reason == "1 passed"
    strange = key.with_name("strange")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(strange)], timeout=LIMIT_S, check=True)
    denied = asked(gate, address=address, NODE_KEY_FILE=str(strange))
    assert "Permission denied" in denied.reason
    assert not denied.final
    began = time.monotonic()
    silent = asked(block.TestinfraGate(tests=tests, connection="ssh", user="root", port=1), address="127.0.0.1")
    assert "NotReached: 127.0.0.1: " in silent.reason
    assert "Connection refused" in silent.reason
    assert time.monotonic() - began < LIMIT_S
