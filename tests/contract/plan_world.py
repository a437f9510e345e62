"""Three clusters on the lab's gateway, one for each layout, planned by the real Terraform with the real AWS provider.

The instances and volumes are made through the API and imported, so nothing is waited for; then a full plan is empty. What a test
asks for is a change of variables or of the configuration, and the plan that comes of it.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform import TerraformCli, TerraformLimits
from immtf.lab.toolchain import AWS, TERRAFORM, Cache, Toolchain, cache_directory
from immtf.lab.toolchain.mirrors import cli_config
from immtf.model.block import Block, Cluster, MountedGate, VolumeSpec
from immtf.model.names import NodeId
from immtf.model.terraform import StateData
from immtf.plan.layout import lay_out
from tests.contract.ec2_lab import ZONE, serve
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.layout import Layout
    from immtf.model.terraform import PlanData
    from tests.contract.ec2_lab import Lab

CLUSTERS = {"module": "module.node", "keyed": "aws_instance.keyed", "counted": "aws_instance.counted"}
PLACES = {"module": ("a", "b"), "keyed": ("a", "b"), "counted": ("a", "b", "c")}
MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "lab"
  secret_key                  = "lab"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints { ec2 = "%(url)s" }
}
variable "image" { default = "%(image)s" }
variable "subnet" { default = "%(subnet)s" }
variable "names" { default = ["a", "b", "c"] }
variable "zone" { default = "%(zone)s" }
variable "rule" { default = "1" }
variable "disks" { default = [] }

resource "aws_security_group" "shared" {
  name        = "shared"
  description = "shared"
  vpc_id      = "%(vpc)s"
  tags        = { rule = var.rule }
}
module "node" {
  source   = "./node"
  for_each = toset(["a", "b"])
  name     = each.key
  image    = var.image
  subnet   = var.subnet
  address  = "%(cidr)s.10.${each.key == "a" ? 11 : 12}"
  zone     = each.key == "b" ? var.zone : "%(zone)s"
  groups   = [aws_security_group.shared.id]
  disks    = var.disks
}
%(keyed)s
%(counted)s
"""
PLAIN = """
resource "aws_instance" "NAME" {
  REPEAT
  ami           = var.image
  instance_type = "t3.micro"
  subnet_id     = "%(subnet)s"
  private_ip    = ADDRESS
  tags          = { "immtf:node" = KEY }
}
resource "aws_ebs_volume" "NAME" {
  REPEAT
  availability_zone = INDEX == INDEXB ? var.zone : "%(zone)s"
  size              = 1
  tags              = { "immtf:node" = KEY }
}
resource "aws_volume_attachment" "NAME" {
  REPEAT
  device_name = "/dev/xvdf"
  volume_id   = aws_ebs_volume.NAME[INDEX].id
  instance_id = aws_instance.NAME[INDEX].id
}
"""
NODE = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
variable "name" {}
variable "image" {}
variable "subnet" {}
variable "address" {}
variable "zone" {}
variable "groups" {}
variable "disks" {}
resource "aws_instance" "this" {
  ami                    = var.image
  instance_type          = "t3.micro"
  subnet_id              = var.subnet
  private_ip             = var.address
  vpc_security_group_ids = var.groups
  tags                   = { "immtf:node" = var.name }
  dynamic "ebs_block_device" {
    for_each = var.disks
    content {
      device_name = ebs_block_device.value
      volume_size = 1
    }
  }
}
resource "aws_ebs_volume" "data" {
  availability_zone = var.zone
  size              = 1
  tags              = { "immtf:node" = var.name }
}
resource "aws_volume_attachment" "data" {
  device_name = "/dev/xvdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.this.id
}
"""


def _plain(name: str, words: dict[str, str]) -> str:
    text = PLAIN.replace("NAME", name)
    for word, value in words.items():
        text = text.replace(word, value)
    return text


KEYED = _plain(
    "keyed",
    {
        "REPEAT": 'for_each = toset(["a", "b"])',
        "ADDRESS": '"%(cidr)s.10.${each.key == "a" ? 21 : 22}"',
        "KEY": "each.key",
        "INDEXB": '"b"',
        "INDEX": "each.key",
    },
)
COUNTED = _plain(
    "counted",
    {
        "REPEAT": "count = length(var.names)",
        "ADDRESS": '"%(cidr)s.10.${31 + index(["a", "b", "c", "z"], var.names[count.index])}"',
        "KEY": "var.names[count.index]",
        "INDEXB": "1",
        "INDEX": "count.index",
    },
)


def find_tools() -> tuple[str, str] | None:
    """Return the program and the provider's directory, or None where one of them is not on this machine."""
    chain = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ)
    terraform, provider = chain.find((TERRAFORM, AWS))
    return (str(terraform.path), cli_config(provider.path)) if terraform.usable and provider.usable and provider.path else None


@dataclass
class PlanWorld:
    """The gateway, the root module and the block over it; `images` are the old image and the new one."""

    lab: Lab
    root: Path
    scratch: Path
    tools: tuple[str, str]
    images: tuple[str, str]
    elsewhere: str
    ids: dict[str, str] = field(default_factory=dict)
    state: StateData = field(default_factory=lambda: StateData(()))

    @property
    def layout(self) -> Layout:
        """Return where everything is now."""
        return lay_out(self.block, self.state)

    @property
    def block(self) -> Block:
        clusters = {
            name: Cluster(name, nodes, (MountedGate(),), volumes={"data": VolumeSpec("data", "/data")}) for name, nodes in CLUSTERS.items()
        }
        return Block("three", "1.0.0", self.root, self.root / "immtf.yaml", self.root, clusters=clusters)

    def terraform(self, **variables: Any) -> TerraformCli:
        (self.scratch / "config.tfrc").write_text(self.tools[1])
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.scratch),
            "TF_CLI_CONFIG_FILE": str(self.scratch / "config.tfrc"),
            "CHECKPOINT_DISABLE": "1",
        }
        return TerraformCli(
            root=self.root,
            binary=self.tools[0],
            environment=environment,
            scratch=self.scratch,
            listen=lambda _event: None,
            cancel=threading.Event(),
            variables=variables,
            limits=TerraformLimits(lock_s=1, earlier_s=20, patience_s=20),
        )

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_text(text)

    def plan(self, *targets: str, **variables: Any) -> tuple[PlanData, Layout]:
        """Return the plan with these variables and the layout that goes with it. Nothing moves here, so nothing is refreshed."""
        data = self.terraform(**variables).plan(targets=targets, refresh=False).data
        return data, lay_out(self.block, self.state, data)

    def zones(self, node: NodeId) -> dict[str, str]:
        return {self.ids[f"volume {node}"]: ZONE}


@contextmanager
def three_clusters(tmp_path: Path, tools: tuple[str, str]) -> Iterator[PlanWorld]:
    """Give the three clusters, imported: a full plan is empty."""
    with serve(FakeRuntime()) as lab:
        newer = lab.ec2.register_image(Name="two", ImageLocation="/images/two")["ImageId"]
        other = lab.ec2.create_subnet(VpcId=lab.vpc, CidrBlock=f"{lab.cidr}.11.0/24", AvailabilityZone="eu-central-1b")["Subnet"][
            "SubnetId"
        ]
        (tmp_path / "scratch").mkdir()
        world = PlanWorld(lab, tmp_path / "root", tmp_path / "scratch", tools, (lab.image, newer), other)
        world.root.mkdir()
        values = {"url": lab.url, "image": lab.image, "subnet": lab.subnet, "zone": ZONE, "vpc": lab.vpc, "cidr": lab.cidr}
        world.write("main.tf", MAIN % (values | {"keyed": KEYED % values, "counted": COUNTED % values}))
        world.write("node/main.tf", NODE)
        world.write("imports.tf", _imports(world))
        terraform = world.terraform()
        terraform.init()
        terraform.apply(terraform.plan())
        (world.root / "imports.tf").unlink()
        assert not terraform.plan().changed
        world.state = terraform.state()
        yield world


def _imports(world: PlanWorld) -> str:
    """Make everything through the API, and return the blocks that import it."""
    lab = world.lab
    group = lab.ec2.create_security_group(GroupName="shared", Description="shared", VpcId=lab.vpc)["GroupId"]
    found = {"aws_security_group.shared": group}
    for decade, (layout, names) in enumerate(PLACES.items(), start=1):
        for number, name in enumerate(names):
            address = f"{lab.cidr}.10.{decade}{number + 1}"
            more: dict[str, Any] = {"SecurityGroupIds": [group]} if layout == "module" else {}
            instance = lab.running(PrivateIpAddress=address, InstanceType="t3.micro", **more)
            volume = lab.volume()
            lab.attached(volume, instance)
            found |= dict(zip(_addresses(layout, name, number), (instance, volume, f"/dev/xvdf:{volume}:{instance}"), strict=True))
            world.ids[f"volume {NodeId(layout, str(number) if layout == 'counted' else name)}"] = volume
    return "".join(f"import {{\n  to = {address}\n  id = {json.dumps(identity)}\n}}\n" for address, identity in found.items())


def _addresses(layout: str, name: str, number: int) -> tuple[str, str, str]:
    if layout == "module":
        head = f'module.node["{name}"].'
        return f"{head}aws_instance.this", f"{head}aws_ebs_volume.data", f"{head}aws_volume_attachment.data"
    index = f'["{name}"]' if layout == "keyed" else f"[{number}]"
    return f"aws_instance.{layout}{index}", f"aws_ebs_volume.{layout}{index}", f"aws_volume_attachment.{layout}{index}"
