"""What is loaded into the pytest that runs a user's tests: their fixtures, and two things that a run needs.

| fixture | what it is |
|---|---|
| `host` | testinfra's host: the node's instance, reached as the gate says |
| `node` | the node: name, cluster, key, instance_id, address, zone, image_id, image_version, volumes (name, volume_id, mount) |
| `block` | the block: name, version, environment |
| `root` | what stands before a path on the node: "" but in the lab's runtime `process`, where an instance's files are in a directory |

A run is told which test is under way, and ends itself some time past its limit, whatever became of the program that started it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import testinfra.host
from testinfra.backend.docker import DockerBackend
from testinfra.backend.ssh import SshBackend

from immtf.adapters.testinfra.backend import SsmBackend
from immtf.adapters.testinfra.command import FACTS_VARIABLE
from immtf.errors import ImmtfError
from immtf.model.checking import facts_from_json

if TYPE_CHECKING:
    from testinfra.backend.base import BaseBackend, CommandResult

    from immtf.model.checking import BlockFacts, CheckFacts, Connection, NodeFacts

BEYOND_S = 30.0
CONNECT_S = 10
INSTANCE_LABEL = "immtf.lab.instance"  # what the lab's runtime `docker` labels its containers with
# The instance is new, and so is its key: nobody can know it yet. Nothing is asked at the terminal.
SSH_OPTIONS = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


class NotReached(Exception):
    """The node can't be asked at all."""


@dataclass(frozen=True)
class Given:
    """What the facts' file says; `deadline` is the end of the run in monotonic seconds."""

    facts: CheckFacts
    connection: Connection
    deadline: float
    under_way: Path


GIVEN = pytest.StashKey[Given]()


def pytest_configure(config: pytest.Config) -> None:
    """Read the facts."""
    try:
        told = json.loads(Path(os.environ[FACTS_VARIABLE]).read_text(encoding="utf-8"))
        facts, connection = facts_from_json(told)
        given = Given(facts, connection, time.monotonic() + told["limit_s"], Path(told["under_way"]))
    except (KeyError, TypeError, OSError, ValueError) as error:
        raise pytest.UsageError(f"{FACTS_VARIABLE} names no file of facts; immtf runs these tests: {error!r}") from error
    config.stash[GIVEN] = given
    _end_at_last(told["limit_s"] + BEYOND_S)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Tell which test is under way."""
    item.config.stash[GIVEN].under_way.write_text(item.name, encoding="utf-8", errors="replace")


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> NodeFacts:
    """Give the node that is tested."""
    return request.config.stash[GIVEN].facts.node


@pytest.fixture(scope="session")
def block(request: pytest.FixtureRequest) -> BlockFacts:
    """Give the block that the node is of."""
    return request.config.stash[GIVEN].facts.block


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Give testinfra's host, which has answered once."""
    backend = _backend(request.config.stash[GIVEN])
    made = testinfra.host.Host(backend)
    backend.set_host(made)
    _reach(made, backend.get_hostname())
    return made


@pytest.fixture(scope="session")
def root(host: testinfra.host.Host) -> str:
    """Give what stands before a path on the node."""
    return str(host.check_output('echo "${IMMTF_ROOT:-}"'))


def _backend(given: Given) -> BaseBackend:
    node, connection = given.facts.node, given.connection
    if connection.way == "docker":
        return DockerBackend(connection.container or _lab_container(node.instance_id))
    if connection.way == "ssh":
        user = f"{connection.user}@" if connection.user else ""
        identity = connection.identity or None
        return SshBackend(
            f"{user}{node.address}:{connection.port}", None, identity, CONNECT_S, controlpersist=0, ssh_extra_args=_ssh_options(identity)
        )
    return _over_ssm(node.instance_id, given.deadline)


def _lab_container(instance_id: str) -> str:
    """Return the name of the lab's container of an instance."""
    listed = DockerBackend("").run_local("docker ps --format %s --filter %s", "{{.Names}}", f"label={INSTANCE_LABEL}={instance_id}")
    names = str(listed.stdout).split()
    if listed.rc != 0 or len(names) != 1:
        raise NotReached(f"{len(names)} containers of a lab are {instance_id}" if listed.rc == 0 else f"docker: {_words(listed)}")
    return names[0]


def _ssh_options(identity: str | None) -> str:
    return SSH_OPTIONS + (" -o IdentitiesOnly=yes" if identity else "")


def _over_ssm(instance_id: str, deadline: float) -> SsmBackend:
    from immtf.adapters.aws import Aws
    from immtf.adapters.clock import Signals, WallClock
    from immtf.adapters.ssm import Ssm

    clock = WallClock(Signals())
    return SsmBackend(instance_id, Ssm(Aws.from_environment(os.environ), clock), clock, deadline)


def _reach(host: testinfra.host.Host, name: str) -> None:
    """Ask the node for nothing: where that fails, every test that wants it fails so, at once and with the same words."""
    try:
        answered = host.run("true")
    except ImmtfError as error:
        raise NotReached(f"{error.where or name}: {error.what}") from error
    except RuntimeError as error:  # ssh that ended with 255
        raise NotReached(f"{name}: {_words(error.args[0]) if error.args else error}") from error
    if answered.rc != 0:
        raise NotReached(f"{name}: {_words(answered)}")


def _words(result: CommandResult) -> str:
    said = str(result.stderr or result.stdout).strip().splitlines()
    return said[-1] if said else f"ended with {result.rc}"


def _end_at_last(seconds: float) -> None:
    """End this process and all that it started after so many seconds: who started it may be gone. Only in a group of its own."""
    if os.getpgrp() != os.getpid():
        return

    def end() -> None:
        os.killpg(0, signal.SIGKILL)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
