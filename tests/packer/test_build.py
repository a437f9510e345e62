"""All images built whole by the local source, from Debian's bare image, and instances of them asked by their own testinfra files.

Each is booted by systemd, gets its volume late, is stopped and comes back. Most of the two minutes is the base's packages.
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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ImmtfError
from immtf.lab.toolchain import ALL, Cache, Toolchain, cache_directory
from tests.packer.machine import LOOPS_MAY_BE_MADE, Machine, docker

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKER = Path(__file__).parents[2] / "packer"
IMAGES = {"service": "1.1.0", "consul": "1.1.0", "base": "2.0.0"}
BUILD_S = 900
TESTS_S = 300
BOOTS = ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--cgroupns", "private", "--stop-signal", "SIGRTMIN+3"]
NODE = '{"node_name": "a", "bootstrap_expect": 1}'
SERVER = 'ETCD_NAME=a\nETCD_INITIAL_CLUSTER="a=http://$(hostname -I | cut -d " " -f 1):2380"'
ETCD = 'curl -s "http://$(hostname -I | cut -d " " -f 1):2379'
PAGES = '{"node": "a", "consul": [], "etcd": []}'

pytestmark = [pytest.mark.docker, pytest.mark.lab(minutes=2), pytest.mark.skipif(shutil.which("packer") is None, reason="no Packer")]


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    """The pinned programs, as immtf's toolchain has them."""
    try:
        tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready(tools=(*ALL, "etcd"))
    except ImmtfError as error:
        pytest.skip(f"no Consul or no etcd: {error}")
    pins = json.loads((PACKER / "pins.json").read_text())
    found = {"consul": tools.consul, "etcd": tools.etcd}
    for name, program in found.items():
        if program is None or hashlib.sha256(program.read_bytes()).hexdigest() != pins[name]["sha256"]["program"]:
            pytest.skip(f"this machine's {name} is not the pinned one")
    return {name: str(program) for name, program in found.items()}


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
def base(engine: None) -> Iterator[str]:  # noqa: ARG001 - it skips where there is none
    """The base image; it is removed at the end, and with it what was made of it."""
    name = f"immtf-packer-{uuid.uuid4().hex[:12]}"
    try:
        build("base", f"{name}-base", version="2.0.0")
        yield name
    finally:
        made = [f"{name}-{image}:{tag}" for image, version in IMAGES.items() for tag in (version, "latest")]
        subprocess.run(["docker", "rmi", "--force", *made], capture_output=True, timeout=60, check=False)


@contextmanager
def booted(image: str) -> Iterator[Machine]:
    """Boot an instance of an image, without a volume."""
    name = f"immtf-packer-{uuid.uuid4().hex[:12]}"
    made = Machine(name)
    try:
        docker("run", "--detach", "--name", name, "--hostname", "a", *BOOTS, *LOOPS_MAY_BE_MADE, image)
        made.sh("mkdir /t")
        made.wait("[ -S /run/systemd/private ] && systemctl is-active --quiet multi-user.target")
        yield made
    finally:
        for loop in made.loops:
            subprocess.run(["docker", "exec", name, "losetup", "--detach", loop], capture_output=True, timeout=60, check=False)
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, timeout=60, check=False)


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


def test_an_instance_of_the_consul_image_and_a_program_that_is_not_pinned(base: str, programs: dict[str, str], tmp_path: Path) -> None:
    source, image = f"{base}-base:2.0.0", f"{base}-consul"
    build("consul", image, version="1.1.0", revision="abc", source_image=source, consul_package=programs["consul"])
    with booted(f"{image}:1.1.0") as instance:
        a_consul_server(instance)

    wrong = tmp_path / "consul"
    wrong.write_text("#!/bin/sh\necho Consul v1.8.7\n")
    with pytest.raises(AssertionError, match="consul_package has sha256"):
        build("consul", "immtf-packer-refused", version="1.1.0", source_image=source, consul_package=str(wrong))
    with pytest.raises(AssertionError, match="consul_package is not given"):
        build("consul", "immtf-packer-refused", version="1.1.0", source_image=source)


def a_consul_server(instance: Machine) -> None:
    """Look at a server from its boot without a volume to its end, when its volume is torn away."""
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


def test_one_image_is_an_etcd_server_or_a_web_instance_as_its_user_data_says(base: str, programs: dict[str, str], tmp_path: Path) -> None:
    source, image = f"{base}-base:2.0.0", f"{base}-service"
    build("service", image, version="1.1.0", revision="abc", source_image=source, etcd_package=programs["etcd"])
    with booted(f"{image}:1.1.0") as instance:
        an_etcd_server(instance)
    with booted(f"{image}:1.1.0") as instance:
        instance.sh(f"mkdir -p /etc/service; echo '{PAGES}' >/etc/service/web.json; systemctl start web")
        instance.wait("curl -s http://$(hostname -I | cut -d ' ' -f 1):8080/ | grep -q '\"version\": \"1.1.0\"'")
        asked(instance, "service")
        assert not instance.holds("pgrep -x etcd")

    wrong = tmp_path / "etcd"
    wrong.write_text("#!/bin/sh\necho etcd Version: 3.4.23\n")
    with pytest.raises(AssertionError, match="etcd_package has sha256"):
        build("service", "immtf-packer-refused", version="1.1.0", source_image=source, etcd_package=str(wrong))


def an_etcd_server(instance: Machine) -> None:
    """Look at a server from its boot without a volume to its end, when its volume is torn away."""
    assert re.search(r"[1-9]\d* passed", asked(instance, "service"))
    assert not instance.holds("pgrep -x sshd || pgrep -x etcd || pgrep -u web")

    instance.sh(f"mkdir -p /etc/service; cat >/etc/service/etcd.env <<'END'\n{SERVER}\nEND")
    serial = instance.volume(megabytes=256)
    instance.attach(serial)
    instance.await_word(serial, "blank")
    instance.mark(serial)
    instance.wait(f'{ETCD}/health" | grep -q true')
    asked(instance, "service")
    instance.sh(f"""{ETCD}/v3/kv/put" -d '{{"key": "a2VwdA==", "value": "eWVz"}}' | grep -q revision; systemctl stop immtf-volume@data""")
    assert not instance.holds("pgrep -x etcd || mountpoint -q /var/lib/etcd")

    instance.detach("nvme1n1")
    instance.attach(serial)
    instance.sh("systemctl start --no-block etcd")
    instance.wait(f"""{ETCD}/v3/kv/range" -d '{{"key": "a2VwdA=="}}' | grep -q eWVz""")
    instance.detach("nvme1n1")
    instance.wait("! pgrep -x etcd && ! mountpoint -q /var/lib/etcd")
    asked(instance, "service")
