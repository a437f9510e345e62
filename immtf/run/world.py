"""The observer: everything the loop knows of the world, read through the ports, at the moment it is asked for.

Only the layout (which addresses and ids belong to whom) is kept between two questions; it is read again after every apply.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.errors import GuestFailed
from immtf.model.block import ServiceGate
from immtf.model.cloud import GONE
from immtf.model.guest import GuestFacts
from immtf.model.layout import Layout
from immtf.model.names import parse_node
from immtf.model.snapshot import NodeNow, Snapshot
from immtf.plan.checking import facts_of
from immtf.plan.facts import facts_script, parse_facts
from immtf.plan.layout import lay_out
from immtf.plan.slots import seen_in_slots
from immtf.plan.sort import sort_plan
from immtf.run.fence import unguarded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from immtf.model.block import Block, Cluster
    from immtf.model.checking import CheckFacts
    from immtf.model.cloud import Instance, Interface, Volume
    from immtf.model.layout import NodePlace
    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView
    from immtf.model.terraform import PlanData
    from immtf.plan.sort import Sorted
    from immtf.run.fence import Guard
    from immtf.run.ports import Checks, Cloud, Guest, Knock, Service, Terraform

FACTS_TIMEOUT_S = 30.0


@dataclass
class World:
    """The ports and the layout of one block. `tags` are those that every instance of this block and environment carries.

    Where they don't name the environment, it is the one that all live nodes are tagged with (`environment`). `accepted` are nodes
    whose volumes a person takes for good although they carry no mark. `run_id` is what this run's own things are tagged with.
    `guard` is asked before a change inside an instance: see `immtf.run.fence`. `checks` runs the user's own tests, where there is one.
    `known` are required blocks whose own states were judged before the world was opened, `later` those of a plan that will be upgraded
    before this one. `together` are the nodes that are at work at the same time: to each other they are none of "the others".
    """

    block: Block
    terraform: Terraform
    cloud: Cloud
    guest: Guest
    service: Service
    knock: Knock
    tags: Mapping[str, str] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    full_plan: PlanData | None = None
    accepted: frozenset[str] = frozenset()
    environment: str = ""
    run_id: str = ""
    guard: Guard = unguarded
    checks: Checks | None = None
    known: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    together: tuple[NodeId, ...] = ()

    def survey(self, plan: PlanData | None = None) -> None:
        """Read the state and lay the nodes out anew. Nodes still to be made are told by the last full plan that was given.

        Raises `UsageError` where `accepted` names a node that isn't there.
        """
        self.full_plan = plan or self.full_plan
        self.layout = lay_out(self.block, self.terraform.state(), self.full_plan)
        if self.layout.nodes and self.accepted:  # a mistyped one is told, and nothing is done as if it had been understood
            places = {name: cluster.nodes for name, cluster in self.block.clusters.items()}
            self.accepted = frozenset(str(parse_node(text, self.layout.nodes, addresses=places)) for text in self.accepted)

    def cluster(self, node: NodeId) -> Cluster:
        """Return the cluster that a node belongs to."""
        return self.block.clusters[node.cluster]

    def at_work(self, node: NodeId) -> tuple[NodeId, ...]:
        """Return a node and those that are at work together with it."""
        return self.together if node in self.together else (node,)

    def members(self, cluster: str) -> list[NodeId]:
        """Return the nodes of a cluster, sorted, without those that were never made yet: nobody can expect them to serve."""
        return sorted(node for node, place in self.layout.nodes.items() if node.cluster == cluster and _is_made(place))

    def nodes(self) -> dict[NodeId, NodeNow]:
        """Return every node now, in two calls to the cloud, without asking any instance."""
        places = self.layout.nodes.values()
        instances = self.cloud.instances([identity for place in places for identity in place.instance_ids])
        volumes = self.cloud.volumes([volume.volume_id for place in places for volume in place.volumes if volume.volume_id])
        interfaces = self._interfaces(places)
        named = {item.tags.get("immtf:environment", "") for item in instances.values() if item.state not in GONE}
        self.environment = named.pop() if len(named) == 1 else ""
        return {place.node: _now(place, instances, volumes, interfaces) for place in places}

    def node(self, node: NodeId, *, facts: bool = False, strays: bool = False) -> NodeNow:
        """Return one node now; with its instance's own facts, and with stray instances tagged as its own, where asked for."""
        place = self.layout.nodes[node]
        instances = self.cloud.instances(place.instance_ids) if place.instance_ids else {}
        ids = [volume.volume_id for volume in place.volumes if volume.volume_id]
        now = _now(place, instances, self.cloud.volumes(ids) if ids else {}, self._interfaces([place]))
        facts_now = self.facts(place, now.instance) if facts else None
        return replace(now, strays=self._strays(place) if strays else (), facts=facts_now)

    def strays(self, node: NodeId) -> tuple[Instance, ...]:
        """Return live instances tagged as a node's own that the state doesn't name; one call."""
        return self._strays(self.layout.nodes[node])

    def asked(self, nodes: Collection[NodeId]) -> list[NodeNow]:
        """Return these nodes now, each with its instance's own facts: in a few calls, however many they are."""
        seen = [now for node, now in self.nodes().items() if node in nodes]
        told: dict[NodeId, GuestFacts] = {}
        for mounts in dict.fromkeys(_mounts(now.place) for now in seen):
            owners = {now.instance.instance_id: now for now in seen if now.instance and now.running and _mounts(now.place) == mounts}
            answers = self.guest.run_on(owners, facts_script(mounts), timeout_s=FACTS_TIMEOUT_S) if owners else {}
            told |= {owners[identity].node: _facts(identity, answer, mounts) for identity, answer in answers.items()}
        return [replace(now, facts=told.get(now.node) or self.facts(now.place, None)) for now in seen]

    def _interfaces(self, places: Iterable[NodePlace]) -> Mapping[str, Interface]:
        ids = [place.interface.interface_id for place in places if place.interface and place.interface.interface_id]
        return self.cloud.interfaces(ids) if ids else {}

    def facts(self, place: NodePlace, instance: Instance | None) -> GuestFacts:
        """Ask an instance for its own facts; what went wrong stands in them as the problem."""
        if instance is None or instance.state != "running":
            return GuestFacts(problem=f"the instance is {instance.state if instance else 'not there'}")
        mounts = _mounts(place)
        try:
            answer: tuple[int, str, str] | GuestFailed = self.guest.run(
                instance.instance_id, facts_script(mounts), timeout_s=FACTS_TIMEOUT_S
            )
        except GuestFailed as error:
            answer = error
        return _facts(instance.instance_id, answer, mounts)

    def check_facts(self, node: NodeId) -> CheckFacts:
        """Return what tests of a node are told. Raises `GuestFailed` where its instance doesn't run."""
        instance = self.running(node)
        image = self.cloud.image(instance.image_id)
        environment = self.tags.get("immtf:environment") or instance.tags.get("immtf:environment", "")
        return facts_of(self.block, self.layout.nodes[node], instance, image.version if image else "", environment)

    def running(self, node: NodeId) -> Instance:
        """Return a node's instance. Raises `GuestFailed` where it doesn't run."""
        now = self.node(node)
        if now.instance is None or not now.running:
            raise GuestFailed(f"the instance is {now.instance.state if now.instance else 'not there'}", where=str(node))
        return now.instance

    def addresses(self, cluster: str) -> dict[NodeId, str]:
        """Return the private address of each member of a cluster; "" where it has no instance."""
        nodes = self.nodes()  # and nothing else of the layout: the probe asks from a thread of its own
        return {node: _address(now) for node, now in sorted(nodes.items()) if node.cluster == cluster and _is_made(now.place)}

    def view(self, cluster: str) -> ServiceView | None:
        """Ask the cluster's service, or return None where its gates speak to none."""
        gate = service_gate(self.block.clusters[cluster])
        return self.service.view(gate, self.addresses(cluster)) if gate else None

    def snapshot(self, plan: PlanData) -> tuple[Snapshot, Sorted]:
        """Return the whole world against a full plan of Terraform, and that plan sorted."""
        self.survey(plan)
        nodes = self._with_strays(self.nodes())
        zones = {node: zones_of(now) for node, now in nodes.items()}
        parts = sort_plan(plan, self.layout, zones)
        services = {name: view for name in self.block.clusters if (view := self.view(name)) is not None}
        return Snapshot(nodes, parts.nodes, services, parts.shared, parts.outputs, parts.moves), parts

    def tags_of(self, node: NodeId) -> Mapping[str, str]:
        """Return the tags of what belongs to a node, as its instance has them."""
        return {**self.tags, **self._environment_tag(), "immtf:cluster": node.cluster, "immtf:node": node.key}

    def sight(self) -> tuple[Snapshot, tuple[Instance, ...], Mapping[str, str]]:
        """Return the world without any plan of Terraform's, instances of this block that no node has, and the block's tags.

        The state has been surveyed. Without tags that tell this environment from others no instance is looked for.
        """
        nodes = self._with_strays(self.nodes())
        tags = self._own_tags()
        known = {identity for now in nodes.values() for identity in now.place.instance_ids}
        found = [item for item in (self.cloud.tagged(tags) if tags else ()) if item.state not in GONE]
        loose = [item for item in found if item.instance_id not in known and not any(_tagged_as(item, node) for node in nodes)]
        services = {name: view for name in self.block.clusters if (view := self.view(name)) is not None}
        return Snapshot(nodes, services=services), tuple(loose), tags

    def _with_strays(self, nodes: dict[NodeId, NodeNow]) -> dict[NodeId, NodeNow]:
        """Add to each node the instances tagged as its own that the state doesn't name; one call for all nodes."""
        known = {identity for now in nodes.values() for identity in now.place.instance_ids}
        tags = self._own_tags() if nodes else {}
        found = [item for item in (self.cloud.tagged(tags) if tags else ()) if item.instance_id not in known]
        by_node = {node: tuple(item for item in found if _tagged_as(item, node)) for node in nodes}
        return {node: replace(now, strays=by_node[node]) for node, now in nodes.items()}

    def _strays(self, place: NodePlace) -> tuple[Instance, ...]:
        found = self.cloud.tagged(self.tags_of(place.node)) if self._own_tags() else ()
        return tuple(item for item in found if item.instance_id not in place.instance_ids and item.state not in GONE)

    def _own_tags(self) -> Mapping[str, str]:
        """Return the tags of this block's instances in this environment; none where the environment can't be told from any other."""
        environment = self._environment_tag()
        return {**self.tags, **environment} if self.tags and environment else {}

    def _environment_tag(self) -> Mapping[str, str]:
        environment = self.tags.get("immtf:environment") or self.environment
        return {"immtf:environment": environment} if environment else {}


def _tagged_as(instance: Instance, node: NodeId) -> bool:
    tags = instance.tags
    return instance.state not in GONE and (tags.get("immtf:cluster"), tags.get("immtf:node")) == (node.cluster, node.key)


def _mounts(place: NodePlace) -> tuple[str, ...]:
    return tuple(volume.mount for volume in place.volumes if volume.mount)


def _facts(instance_id: str, answer: tuple[int, str, str] | GuestFailed, mounts: Sequence[str]) -> GuestFacts:
    """Read what an instance answered; what went wrong stands in it as the problem."""
    if isinstance(answer, GuestFailed):
        return GuestFacts(problem=f"{instance_id} can't be asked: {answer.what}")
    code, output, _ = answer
    return parse_facts(output, mounts) if code == 0 else GuestFacts(problem=f"asking {instance_id} ended with {code}")


def _now(
    place: NodePlace, instances: Mapping[str, Instance], volumes: Mapping[str, Volume], interfaces: Mapping[str, Interface]
) -> NodeNow:
    """Put together what the cloud shows of a node."""
    own = {volume.name: volumes.get(volume.volume_id) for volume in place.volumes}
    now = NodeNow(place=place, instance=instances.get(place.instance_id), volumes=own)
    interface = interfaces.get(place.interface.interface_id) if place.interface else None
    return seen_in_slots(now, instances, interface) if place.slots else now


def _is_made(place: NodePlace) -> bool:
    return bool(place.instance_ids) or any(volume.volume_id for volume in place.volumes)


def _address(now: NodeNow) -> str:
    return now.instance.address if now.alive and now.instance else ""


def zones_of(now: NodeNow) -> dict[str, str]:
    """Return the availability zone of each volume of a node, by the volume's id."""
    return {volume.volume_id: volume.zone for volume in now.volumes.values() if volume}


def service_gate(cluster: Cluster) -> ServiceGate | None:
    """Return the gate that speaks to the cluster's service, or None."""
    return next((gate for gate in cluster.gates if isinstance(gate, ServiceGate)), None)
