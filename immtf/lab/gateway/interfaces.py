"""The actions on network interfaces. An interface has one private address, which is real in an instance while it is attached there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.gateway import interface_rules as rules
from immtf.lab.gateway.addresses import free_addresses, judge_address
from immtf.lab.gateway.backend import tree_of
from immtf.lab.gateway.overlay import lay_interface
from immtf.lab.gateway.states import AttachmentState, InstanceState, InterfaceRecord
from immtf.lab.gateway.tokens import ClientTokens
from immtf.lab.gateway.wire import Answer, Refusal, ec2_answer, parse_xml, text, write_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.interface_transitions import InterfaceTransitions
    from immtf.lab.gateway.wire import Call


class InterfaceActions:
    """CreateNetworkInterface and what comes after it."""

    def __init__(self, cloud: Cloud, transitions: InterfaceTransitions) -> None:
        """Take what the actions work with."""
        self.cloud = cloud
        self.transitions = transitions
        self.tokens = ClientTokens()

    def handlers(self) -> Mapping[str, Callable[[Call], Answer]]:
        """Give the handler of each action."""
        return {
            "CreateNetworkInterface": self.create,
            "DeleteNetworkInterface": self.delete,
            "AttachNetworkInterface": self.attach,
            "DetachNetworkInterface": self.detach,
            "ModifyNetworkInterfaceAttribute": self.modify,
            "AssignPrivateIpAddresses": self.change_addresses,
            "UnassignPrivateIpAddresses": self.change_addresses,
        }

    def create(self, call: Call) -> Answer:
        """Make an interface with the address that is asked for, or a free one."""
        with self.cloud.lock:
            return self.tokens.once(call, lambda: self._create(call))

    def _create(self, call: Call) -> Answer:
        subnet_id, address = call.form.get("SubnetId", ""), rules.one_address(call.form)
        if address:
            judge_address(self.cloud, call.region, subnet_id, address)
        else:
            (address,) = free_addresses(self.cloud, call.region, subnet_id, 1, 1)
        form = {name: value for name, value in call.form.items() if not name.startswith("PrivateIpAddress")}
        answer = self.cloud.backend.ask(call, form | {"PrivateIpAddress": address})
        if answer.failed:
            return answer
        root = parse_xml(answer.body)
        made = root.find("networkInterface")
        if made is not None:
            self.cloud.record.interface_groups[text(made, "networkInterfaceId")] = _groups(made, "groupSet/item")
            lay_interface(self.cloud.record, made)
        return Answer(answer.status, write_xml(root))

    def delete(self, call: Call) -> Answer:
        """Remove an interface that isn't attached."""
        interface_id = call.form.get("NetworkInterfaceId", "")
        with self.cloud.lock:
            rules.deletable(self.cloud.interface(call.region, interface_id))
            answer = self.cloud.backend.ask(call)
            if not answer.failed:
                self.cloud.record.interface_groups.pop(interface_id, None)
        return answer

    def attach(self, call: Call) -> Answer:
        """Attach an interface: `attaching` until its address is the instance's."""
        with self.cloud.lock:
            interface = self.cloud.interface(call.region, call.form.get("NetworkInterfaceId", ""))
            instance = self.cloud.instance(call.region, call.form.get("InstanceId", ""))
            known = self.cloud.record.instances.get(instance.instance_id)
            state = known.state if known else InstanceState(instance.settled)
            index = rules.device_index(call.form)
            rules.attachable(interface, instance, state, index)
            answer = self.cloud.backend.ask(call)
            attachment_id = text(tree_of(answer), "attachmentId")
            began = InterfaceRecord(
                interface.interface_id, attachment_id, instance.instance_id, index, call.region, AttachmentState.ATTACHING
            )
            self.cloud.record.interfaces[interface.interface_id] = began
            if not call.stuck:
                self.transitions.attach(began, interface.address)
        return answer

    def detach(self, call: Call) -> Answer:
        """Detach an interface: `detaching` until its address is free. A second call tries again; there is nothing more to force."""
        attachment_id = call.form.get("AttachmentId", "")
        with self.cloud.lock:
            interface = rules.detachable(self.cloud.interface_attached_by(call.region, attachment_id), attachment_id)
            began = self.cloud.record.plug(interface.interface_id, state=AttachmentState.DETACHING)
            if not call.stuck:
                self.transitions.detach(began)
        return ec2_answer(call.action, {"return": "true"})

    def modify(self, call: Call) -> Answer:
        """Change an interface; what moto forgets is kept here: whether it goes with its instance, and its own groups."""
        interface_id, doomed = call.form.get("NetworkInterfaceId", ""), call.form.get("Attachment.DeleteOnTermination")
        with self.cloud.lock:
            interface = self.cloud.interface(call.region, interface_id)
            if doomed is not None:
                rules.same_attachment(interface, call.form.get("Attachment.AttachmentId", ""))
                self.cloud.record.plug(interface_id, doomed=doomed.lower() == "true")
            wanted = call.members("SecurityGroupId")
            groups = self._named(call.region, wanted) if wanted else None
            answer = self.cloud.backend.ask(call)
            if groups is not None and not answer.failed and interface_id in self.cloud.record.interface_groups:
                self.cloud.record.interface_groups[interface_id] = groups
        return answer

    def change_addresses(self, call: Call) -> Answer:
        """Refuse: an interface of the lab has the address that it was made with."""
        raise Refusal("UnsupportedOperation", f"The lab's network interfaces have one private address each: no {call.action}")

    def _named(self, region: str, group_ids: list[str]) -> dict[str, str]:
        form = {f"GroupId.{number}": group_id for number, group_id in enumerate(group_ids, start=1)}
        return _groups(self.cloud.backend.tree(region, "DescribeSecurityGroups", form), "securityGroupInfo/item")


def _groups(row: Element, path: str) -> dict[str, str]:
    return {text(group, "groupId"): text(group, "groupName") for group in row.iterfind(path)}
