"""Small values for tables of cases: each builder gives something whole and healthy, of which a test says only what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from immtf.model.cloud import Attachment, Instance, Interface, Volume
from immtf.model.guest import GuestFacts, Mark, Mount
from immtf.model.layout import InterfacePlace, Layout, NodePlace, SlotPlace, VolumePlace
from immtf.model.names import NodeId
from immtf.model.service import Answer, Peer, ServiceView
from immtf.model.snapshot import NodeNow
from immtf.model.terraform import Change, PlanData, Resource, StateData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

A, B, C = (NodeId("server", key) for key in "abc")
ZONE = "eu-west-1a"


def make_instance(state: str = "running", instance_id: str = "i-a", image: str = "ami-old") -> Instance:
    return Instance(instance_id, state, image, ZONE, "10.0.0.1")


def make_volume(*ties: tuple[str, str], volume_id: str = "vol-a", state: str = "") -> Volume:
    """Return a volume with these ties: (instance, state)."""
    found = tuple(Attachment(owner, "/dev/xvdf", tie) for owner, tie in ties)
    return Volume(volume_id, state or ("in-use" if found else "available"), ZONE, 10, found)


def make_place(key: str = "a", *, volume_id: str | None = None, instance_id: str | None = None, mount: str = "/data") -> NodePlace:
    """Return the place of a node with a module of its own."""
    module = f'module.server["{key}"]'
    data = VolumePlace("data", f"{module}.aws_ebs_volume.data", mount, f"vol-{key}" if volume_id is None else volume_id)
    addresses = {f"{module}.aws_instance.this", data.address, f"{module}.aws_volume_attachment.data"}
    owner = f"i-{key}" if instance_id is None else instance_id
    return NodePlace(NodeId("server", key), (module,), f"{module}.aws_instance.this", owner, frozenset(addresses), (data,))


def make_slotted_place(key: str = "a", *, slots: Mapping[str, str] | None = None, interface: bool = True) -> NodePlace:
    """Return the place of a node with slots: instance ids by slot names, the first one serves."""
    module = f'module.server["{key}"]'
    given = slots if slots is not None else {"ami-old-1": f"i-{key}", "ami-new-1": ""}
    found = tuple(SlotPlace(name, f'{module}.aws_instance.this["{name}"]', identity) for name, identity in given.items())
    own = InterfacePlace(f"{module}.aws_network_interface.this", f"eni-{key}", "10.0.0.1") if interface else None
    place = replace(make_place(key), slots=found, interface=own)
    return replace(place.in_slot(found[0]), addresses=frozenset({*place.addresses, *(slot.address for slot in found)}))


def make_interface(owner: str = "", tie: str = "attached", interface_id: str = "eni-a") -> Interface:
    """Return a network interface that hangs on this instance; on none, where none is named."""
    state = "in-use" if owner else "available"
    return Interface(interface_id, state, ZONE, "10.0.0.1", owner, f"eni-attach-{owner}" if owner else "", tie if owner else "")


def make_layout(keys: str = "abc") -> Layout:
    return Layout({NodeId("server", key): make_place(key) for key in keys})


def make_mark(**differs: str) -> Mark:
    return Mark(**{"block": "consul", "cluster": "server", "node": "a", "volume": "vol-a", "filesystem": "fs-a", **differs})


def make_mount(**differs: Any) -> Mount:
    usual = {"path": "/data", "mounted": True, "source": "/dev/nvme1n1", "kind": "ext4", "filesystem": "fs-a", "serial": "vola"}
    return Mount(**{**usual, "mark": make_mark(), **differs})


def make_now(
    instance: Instance | None = None, volume: Volume | None = None, *, mount: Mount | None = None, facts: GuestFacts | None = None
) -> NodeNow:
    """Return a node with this instance and this volume; its facts hold the one mount where given."""
    told = facts or (GuestFacts(mounts=(mount,)) if mount else None)
    return NodeNow(make_place(), instance, {"data": volume}, facts=told)


def make_change(address: str, *actions: str, **more: Any) -> Change:
    """Return one row of a plan; module, type, name and index follow from the address."""
    module, _, rest = address.rpartition("].") if address.startswith("module.") and "]." in address else ("", "", address)
    if not module and address.startswith("module."):
        module, rest = address.rsplit(".", 2)[0], ".".join(address.rsplit(".", 2)[1:])
    module = f"{module}]" if module and "[" in module else module
    kind, _, name = rest.partition(".")
    name, _, index = name.partition("[")
    key = index.strip('"]') if index else None
    return Change(address, module, kind, name, key, "managed", actions or ("no-op",), **more)


def make_plan_data(*changes: Change, outputs: Sequence[str] = (), errored: bool = False) -> PlanData:
    return PlanData(changes, tuple(outputs), errored=errored)


def make_state(rows: Mapping[str, str], *, tainted: Iterable[str] = (), deposed: Mapping[str, str] | None = None) -> StateData:
    """Return a state: ids by address; `deposed` addresses have a second object, with this key."""
    found = [_resource(address, identity, tainted=address in set(tainted)) for address, identity in rows.items()]
    found += [_resource(address, "left-over", deposed=key) for address, key in (deposed or {}).items()]
    return StateData(tuple(found), serial=1)


def _resource(address: str, identity: str, *, tainted: bool = False, deposed: str = "") -> Resource:
    row = make_change(address)
    mode = "data" if row.type == "data" else "managed"
    values = {"id": identity} if identity else {}
    return Resource(address, row.module, row.type, row.name, row.index, values, "data" if mode == "data" else "managed", tainted, deposed)


def make_peer(address: str, **differs: Any) -> Peer:
    return Peer(**{"identity": f"server-{address}", "address": address, "voter": True, "healthy": True, "lag": 0, **differs})


def make_view(
    count: int = 3, *, leader: str = "10.0.0.1", peers: Sequence[Peer] | None = None, answers: Mapping[str, Answer] | None = None
) -> ServiceView:
    """Return a healthy service of so many nodes at 10.0.0.1 and on; `answers` replaces a node's by its key."""
    nodes = {NodeId("server", "abcdefg"[index]): f"10.0.0.{index + 1}" for index in range(count)}
    told = {node: (answers or {}).get(node.key, Answer(leader)) for node in nodes}
    return ServiceView(nodes, told, tuple(make_peer(address) for address in nodes.values()) if peers is None else tuple(peers))
