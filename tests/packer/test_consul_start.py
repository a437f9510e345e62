"""The script that starts Consul: at which address it does, and what it waits for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packer" / "consul" / "files" / "consul-start"
PRIMARY = "2: ens5    inet 10.20.10.77/24 brd 10.20.10.255 scope global dynamic ens5"
OWN = "3: ens6    inet 10.20.10.11/24 brd 10.20.10.255 scope global ens6"
NEIGHBOUR = "3: ens6    inet 10.20.10.111/24 brd 10.20.10.255 scope global ens6"


@dataclass
class Host:
    """A directory with the script, and programs in the place of `ip` and `consul`; the script's paths lead into it."""

    at: Path

    def start(self, node: str, *addresses: str) -> subprocess.CompletedProcess[str]:
        """Run the script; each further look at the addresses sees one line more."""
        self._program("ip", f'echo x >>"{self.at}/looks"\nhead -n "$(wc -l <"{self.at}/looks")" "{self.at}/addresses"')
        self._program("consul", 'echo "$@"')
        (self.at / "addresses").write_text("".join(f"{line}\n" for line in addresses))
        if node:
            (self.at / "node.json").write_text(node)
        paths = {"/etc/consul.d/node.json": f"{self.at}/node.json", "/usr/local/bin/consul": f"{self.at}/consul"}
        text = SCRIPT.read_text()
        for path, there in paths.items():
            assert path in text
            text = text.replace(path, there)
        environment = {"PATH": f"{self.at}:/usr/bin:/bin", "CONSUL_START_LOOKS": "5"}
        return subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True, timeout=60, check=False)

    def _program(self, name: str, text: str) -> None:
        (self.at / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.at / name).chmod(0o755)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_where_no_address_is_named_it_is_the_machine_s_first(host: Host) -> None:
    done = host.start('{"node_name":"a"}', PRIMARY, OWN)
    assert done.stdout.split()[-5:] == ["-bind", "10.20.10.77", "-client", "10.20.10.77", "127.0.0.1"]


@pytest.mark.parametrize(
    "node", ['{"bind_addr":"10.20.10.11","node_name":"a"}', '{\n  "node_name": "a",\n  "bind_addr" : "10.20.10.11"\n}']
)
def test_the_address_that_is_named_is_waited_for_and_taken(host: Host, node: str) -> None:
    """The node's own interface comes when the old instance has let go of it; the primary address is not the node's."""
    done = host.start(node, PRIMARY, OWN)
    assert done.stdout.split()[-5:] == ["-bind", "10.20.10.11", "-client", "10.20.10.11", "127.0.0.1"]
    assert done.stderr == "waits for the address 10.20.10.11\n"


@pytest.mark.parametrize(
    ("node", "addresses", "why"),
    [
        ("", [PRIMARY], "user data writes it"),
        ('{"node_name":"a"}', [], "there is no address yet"),
        ('{"bind_addr":"10.20.10.11"}', [PRIMARY, NEIGHBOUR], "the address 10.20.10.11 is not there"),
    ],
)
def test_at_no_other_address_consul_is_started(host: Host, node: str, addresses: list[str], why: str) -> None:
    """An address that only begins alike is another one."""
    done = host.start(node, *addresses)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
