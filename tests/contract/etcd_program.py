"""The real etcd for tests that start one, server by server on loopback addresses; where it can't be had they are skipped."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ImmtfError
from immtf.lab.toolchain import ALL, ETCD, Cache, Toolchain, cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LIMIT_S = 120.0
CLIENTS, PEERS = 2379, 2380
ETCD_ARGUMENTS = ("--heartbeat-interval=100", "--election-timeout=1000", "--pre-vote", "--logger=zap", "--log-outputs=stderr")


def etcd_program(environment: Mapping[str, str], home: Path) -> Path:
    """Return the program, found or fetched as for a lab; `home` is the user's directory. Skips the test where there is none."""
    try:
        etcd = Toolchain(Cache(cache_directory(environment, home)), environment).ready(tools=(*ALL, ETCD)).etcd
    except ImmtfError as error:
        pytest.skip(f"no etcd here: {error.what}")
    if etcd is None:
        pytest.skip("no etcd here: nothing names one")
    return etcd


@dataclass
class EtcdServers:
    """Servers by address, with their data in a folder. `arguments` are given to each one, `scheme` is that of the clients' port."""

    program: Path
    folder: Path
    cluster: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    scheme: str = "http"
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, address: str, *, existing: bool = False) -> None:
        """Start a server with the data it has; `existing`: the first time, it joins a cluster that lists it already."""
        names = [*self.cluster, *([] if address in self.cluster else [address])]
        argv = [
            str(self.program),
            f"--name={address}",
            f"--data-dir={self.folder / address}",
            f"--listen-peer-urls=http://{address}:{PEERS}",
            f"--initial-advertise-peer-urls=http://{address}:{PEERS}",
            f"--listen-client-urls={self.scheme}://{address}:{CLIENTS}",
            f"--advertise-client-urls={self.scheme}://{address}:{CLIENTS}",
            f"--initial-cluster={','.join(f'{name}=http://{name}:{PEERS}' for name in names)}",
            f"--initial-cluster-state={'existing' if existing else 'new'}",
            *ETCD_ARGUMENTS,
            *self.arguments,
        ]
        with (self.folder / f"{address}.log").open("ab") as log:
            self.running[address] = subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log)

    def kill(self, address: str) -> None:
        """Kill a server; its data stay."""
        child = self.running.pop(address)
        child.kill()
        child.wait(LIMIT_S)

    def close(self) -> None:
        """Kill all that run."""
        for address in list(self.running):
            self.kill(address)

    def said(self) -> str:
        """Return the end of every server's log."""
        return "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in sorted(self.folder.glob("*.log")))


def until(holds: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Wait until something holds; `told` says what there was, where it doesn't in time."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"did not come true in time: {told()}"
        time.sleep(0.1)
