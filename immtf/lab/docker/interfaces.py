"""Further network interfaces: second addresses on a container's only device, put there from outside, as a guest may not.

A short-lived container of the lab's base image enters the network namespace of the guest, adds the address and tells the neighbours whose
it is now, for they remember who had it before. The guest's boot file may have services that wait for an address: they find it in a file,
which is there as long as the address is, and they are stopped before it goes.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from immtf.lab.docker.engine import CALL_LIMIT_S, asked
from immtf.lab.docker.scope import HELPER, INSTANCE
from immtf.lab.docker.units import address_file, address_variable, interface_unit
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from immtf.lab.docker.guests import Guests
    from immtf.lab.docker.scope import Scope

DEVICE = "eth0"
STOP_LIMIT_S = 90
ANNOUNCED = f"""
import socket, sys
own = bytes.fromhex(open("/sys/class/net/{DEVICE}/address").read().strip().replace(":", ""))
told = socket.inet_aton(sys.argv[1])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("{DEVICE}", 0))
    for asks in (1, 2):
        head = bytes([255] * 6) + own + bytes([8, 6, 0, 1, 8, 0, 6, 4, 0, asks])
        wire.send(head + own + told + (bytes(6) if asks == 1 else own) + told)
"""
"""Tells everybody on the wire, as a question and as an answer, which hardware an address has."""


class Interfaces:
    """Which instance has which further addresses."""

    def __init__(self, client: Any, scope: Scope, guests: Guests, *, base: str, prefix: int) -> None:
        """Add addresses of networks with `prefix` bits to `guests`; `base` is the image of what does it."""
        self._client = client
        self._scope = scope
        self._guests = guests
        self._base = base
        self._prefix = prefix
        self._lock = RLock()
        self._addresses: dict[tuple[str, int], str] = {}

    def attach(self, instance_id: str, address: str, index: int) -> None:
        """Give an instance an address; the index or the address is taken: `RuntimeFailed`. There already: done."""
        with self._lock:
            if self._addresses.get((instance_id, index)) == address:
                return
            if index < 1 or (instance_id, index) in self._addresses:
                raise RuntimeFailed(f"interface {index} of {instance_id} is taken")
            if holder := self.holder(address):
                raise RuntimeFailed(f"{address} is in use by {holder}")
            self._addresses[instance_id, index] = address
        try:
            self._bring(instance_id, index, address)
        except BaseException:
            with self._lock:
                del self._addresses[instance_id, index]
            raise

    def detach(self, instance_id: str, index: int) -> None:
        """Take an address away when the services that need it have stopped; none there: done. The primary one: `RuntimeFailed`."""
        if index < 1:
            raise RuntimeFailed(f"the primary interface of {instance_id} stays")
        with self._lock:
            address = self._addresses.get((instance_id, index))
        if address is None:
            return
        if self._guests.tell(instance_id, leave_script(index)) is not None:
            self._enter(
                instance_id, f"ip -o address show to {address} | grep -q . || exit 0; ip address del {address}/{self._prefix} dev {DEVICE}"
            )
        with self._lock:
            self._addresses.pop((instance_id, index), None)

    def show(self, instance_id: str) -> None:
        """Give an instance its addresses that has just started."""
        for index, address in self.of(instance_id).items():
            self._bring(instance_id, index, address)

    def give_back(self, instance_id: str) -> None:
        """Free the addresses of an instance that is gone."""
        with self._lock:
            for index in self.of(instance_id):
                del self._addresses[instance_id, index]

    def of(self, instance_id: str) -> dict[int, str]:
        """List an instance's further addresses, by index."""
        with self._lock:
            return {index: address for (owner, index), address in sorted(self._addresses.items()) if owner == instance_id}

    def holder(self, address: str) -> str:
        """Tell which instance has an address as a further one; "" for none."""
        with self._lock:
            return next((owner for (owner, _), taken in self._addresses.items() if taken == address), "")

    def _bring(self, instance_id: str, index: int, address: str) -> None:
        if self._guests.pid(instance_id) is None:
            return
        self._enter(instance_id, f'ip address replace {address}/{self._prefix} dev {DEVICE} && exec python3 -I -c "$1" {address}')
        if self._guests.tell(instance_id, come_script(index, address)):
            raise RuntimeFailed(f"{instance_id} takes no note of {address}")

    def _enter(self, instance_id: str, script: str) -> None:
        """Carry a script out in the guest's network namespace; a guest that has just ended has none, which is good."""
        with asked(f"an address of {instance_id}"):
            made = self._client.containers.create(
                self._base,
                entrypoint=["/bin/sh", "-c", script, "lab", ANNOUNCED],
                command=[],
                network_mode=f"container:{self._guests.container(instance_id)}",
                cap_drop=["ALL"],
                cap_add=["NET_ADMIN", "NET_RAW"],
                labels=self._scope.labels(HELPER, **{INSTANCE: instance_id}),
            )
            try:
                made.start()
                ended = int(made.wait(timeout=CALL_LIMIT_S)["StatusCode"])
                said = made.logs().decode(errors="replace").strip() if ended else ""
            except BaseException:
                if self._guests.pid(instance_id) is None:
                    return
                raise
            finally:
                made.remove(force=True)
        if ended and self._guests.pid(instance_id) is not None:
            raise RuntimeFailed(f"an address of {instance_id}: {said}")


def come_script(index: int, address: str) -> str:
    """Return the script that lets a guest's services know an address."""
    place = address_file(index)
    return f"mkdir -p {place.rpartition('/')[0]} && echo {address_variable(index)}={address} >{place}.new && mv {place}.new {place}\n"


def leave_script(index: int) -> str:
    """Return the script that ends when the services that need an address have stopped, or their time is over; they wait for the next."""
    unit = interface_unit(index)
    return (
        f"rm -f {address_file(index)}\n"
        f'[ "$(systemctl show -P ActiveState {unit} 2>/dev/null)" = active ] || exit 0\n'
        f"systemctl --no-block restart {unit}\n"
        f"for _ in $(seq {STOP_LIMIT_S * 5}); do\n"
        f'  [ "$(systemctl show -P SubState {unit})" = start ] && exit 0\n'
        "  sleep 0.2\n"
        "done\n"
    )
