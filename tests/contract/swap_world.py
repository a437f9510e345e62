"""The block for strategy swap with real Terraform and the real provider on it, in a cloud whose guests are a fake's.

What Terraform does with slots, volumes and interfaces is the same whatever runs in the instances, so nothing is booted. Calls are counted
by the gateway, which every one of them goes through.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform import TerraformCli
from immtf.adapters.terraform.overrides import generated_files, lab_override
from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from immtf.lab.toolchain.chain import CLIENTS
from immtf.model.environment import Backend
from immtf.model.layout import Held
from tests.contract.ec2_lab import REGION, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from immtf.adapters.terraform import TerraformEvent
    from immtf.lab.toolchain import Tools
    from immtf.model.terraform import Change, PlanData
    from tests.contract.ec2_lab import Lab

TREE = Path(__file__).parents[2] / "terraform"
BLOCK = "blocks/consul/swap"


@dataclass
class SwapWorld:
    """The block with these nodes in a cloud of its own. `old` and `new` are images, `slots` the slots that the nodes were made with."""

    lab: Lab
    root: Path
    tools: Tools
    nodes: Sequence[str]
    old: str
    new: str
    events: list[TerraformEvent] = field(default_factory=list)
    slots: dict[str, str] = field(default_factory=dict)

    def terraform(self, image: str) -> TerraformCli:
        """Return Terraform on the block with this image wanted."""
        kept = {name: value for name in ("PATH", "HOME") if (value := os.environ.get(name))}
        return TerraformCli(
            root=self.root,
            binary=self.tools.terraform,
            environment={**kept, "TF_CLI_CONFIG_FILE": str(self.tools.cli_config), "CHECKPOINT_DISABLE": "1"},
            scratch=self.root.parents[3] / "scratch",
            listen=self.events.append,
            cancel=threading.Event(),
            variables={"image_id": image, "nodes": list(self.nodes), "zones": [f"{REGION}{letter}" for letter in "abc"]},
        )

    def create(self) -> None:
        """Make the block from the old image and learn the slots."""
        terraform = self.terraform(self.old)
        terraform.init()
        terraform.apply(terraform.plan())
        self.slots = {
            resource.module.split('"')[1]: str(resource.index)
            for resource in terraform.state().resources
            if resource.type == "aws_instance"
        }

    def wanted(self, node: str) -> str:
        """Return the slot that the new image makes of the node's."""
        return self.slots[node].replace(self.old, self.new)

    def held(self, node: str, *, both: bool) -> dict[str, Held]:
        """Hold the node at its old slot, beside the wanted one or alone."""
        return {node: Held(self.slots[node], self.old, both)}

    def one(self, kind: str, node: str) -> str:
        """Return the id of the node's one resource of this type and name, or, with a slot in brackets, of that slot's."""
        address = f'module.server["{node}"].{kind}'
        (found,) = (item for item in self.terraform(self.old).state().resources if item.address == address)
        return str(found.values["id"])

    def instance(self, node: str, slot: str) -> str:
        """Return the id of a slot's instance, by the state."""
        return self.one(f'aws_instance.this["{slot}"]', node)

    def stop(self, instance_id: str) -> None:
        """Stop an instance and wait until it is stopped."""
        self.lab.ec2.stop_instances(InstanceIds=[instance_id])
        self.lab.until(instance_id, "stopped")

    def move(self, node: str, source: str, target: str) -> None:
        """Move the node's volume and interface from one instance to another by the API."""
        ec2, volume, interface = self.lab.ec2, self.one("aws_ebs_volume.data", node), self.one('aws_network_interface.this["own"]', node)
        ec2.detach_volume(VolumeId=volume, InstanceId=source)
        ec2.detach_network_interface(AttachmentId=self.tie(interface)["AttachmentId"])
        wait_until(lambda: self.lab.volume_state(volume) == "available" and not self.tie(interface))
        ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=target, DeviceIndex=1)
        self.lab.attached(volume, target)
        wait_until(lambda: self.tie(interface)["Status"] == "attached")

    def tie(self, interface: str) -> dict[str, Any]:
        """Return how the interface is attached, nothing where it isn't."""
        (row,) = self.lab.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
        return dict(row.get("Attachment") or {})

    def where(self, node: str) -> tuple[str, str]:
        """Return the instances that have the node's volume and its interface."""
        (volume,) = self.lab.ec2.describe_volumes(VolumeIds=[self.one("aws_ebs_volume.data", node)])["Volumes"]
        return volume["Attachments"][0]["InstanceId"], self.tie(self.one('aws_network_interface.this["own"]', node))["InstanceId"]

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Count the calls to the cloud within the block, by action; the counts are there when it ends."""
        before, calls = self.lab.gateway.calls(), dict[str, int]()
        yield calls
        calls |= {name: left for name, count in self.lab.gateway.calls().items() if (left := count - before.get(name, 0))}


@contextmanager
def swap_world(directory: Path, nodes: Sequence[str]) -> Iterator[SwapWorld]:
    """Give the block with these nodes, not made yet."""
    tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready(tools=CLIENTS)
    tree = directory / "terraform"
    shutil.copytree(TREE, tree, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", ".immtf"))
    with serve(FakeRuntime()) as lab:
        backend = Backend("local", {"path": str(directory / "terraform.tfstate")})
        override = lab_override(endpoint=lab.url, access_key="lab", secret_key="lab", backend=backend, region=REGION)
        for name, document in generated_files(tree / BLOCK, override).items():
            (tree / BLOCK / name).write_text(json.dumps(document))
        new = lab.ec2.register_image(Name="two", ImageLocation="/images/two")["ImageId"]
        lab.runtime.images |= {lab.image, new}
        yield SwapWorld(lab, tree / BLOCK, tools, nodes, lab.image, new)


def rows(data: PlanData) -> list[str]:
    """Write what a plan would do as lines: address, actions, and why."""
    return sorted(_row(change) for change in data.changes if not change.is_noop)


def _row(change: Change) -> str:
    why = f" ({', '.join(change.replace_paths) or change.reason})" if change.reason else ""
    return f"{change.address} {'+'.join(change.actions)}{why}"
