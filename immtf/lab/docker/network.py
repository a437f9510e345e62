"""The lab's own network: a bridge with a /16 that nothing else on this machine uses.

Docker refuses a subnet of another of its networks by itself; a route of the host it would take away in silence, so those are looked
at here. The controller speaks with instances as the bridge's host does, so their
addresses are reached from this machine and from nowhere else.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.types import IPAMConfig, IPAMPool

from immtf.errors import LabFailed
from immtf.lab.docker.engine import asked
from immtf.lab.docker.scope import NETWORK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from immtf.lab.docker.scope import Scope

ROUTES = Path("/proc/net/route")
CANDIDATES = (*(f"10.{number}.0.0/16" for number in range(64, 251)), *(f"172.{number}.0.0/16" for number in range(20, 32)))


def make_network(client: Any, scope: Scope) -> tuple[str, IPv4Network]:
    """Make the lab's network; its id and subnet. None free: `LabFailed`; Docker can't: `RuntimeFailed`."""
    with asked("the lab's network"):
        taken = [*subnets(network.attrs for network in client.networks.list()), *host_routes()]
        for subnet in free(taken):
            try:
                made = client.networks.create(
                    scope.name,
                    driver="bridge",
                    ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))]),
                    labels=scope.labels(NETWORK),
                )
            except docker.errors.APIError as error:
                if "overlap" not in str(error):  # somebody else made one with this subnet since it was looked at
                    raise
            else:
                return made.id, subnet
    raise LabFailed(
        f"no free network for the lab among {CANDIDATES[0]} to {CANDIDATES[-1]}",
        next="see `docker network ls` and `ip route`; `docker network prune` removes what nothing uses",
    )


def free(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Give the candidates that overlap with nothing that is taken, in their order."""
    known = list(taken)
    for candidate in map(IPv4Network, CANDIDATES):
        if not any(candidate.overlaps(other) for other in known):
            yield candidate


def subnets(networks: Iterable[dict[str, Any]]) -> Iterator[IPv4Network]:
    """Read the subnets of networks as Docker tells them; what isn't IPv4 can't overlap."""
    for network in networks:
        for pool in (network.get("IPAM") or {}).get("Config") or ():
            if (subnet := pool.get("Subnet")) and ":" not in subnet:
                yield IPv4Network(subnet, strict=False)


def host_routes(path: Path = ROUTES) -> list[IPv4Network]:
    """Read the host's routes, without the default one, which leads everywhere; a machine without the file has none to tell."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[number])[::-1]) for number in (1, 7))
        if mask:
            found.append(IPv4Network((destination, mask.bit_count())))
    return found
