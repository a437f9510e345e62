"""What one more node costs in a state of any size: instances with a volume and no server, rolled as far as is needed to tell.

The block is made here, of the repository's own modules. A roll is measured from the end of its first node to the end of its last measured
one, and then interrupted: what lies before the first node (one full plan of everything) is told apart, as it can't but grow with the state.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from tests.benchmarks.usage import Account, Shim, metered, since
from tests.lab.points import at
from tests.lab.rehearsal import REPOSITORY, Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.child import Child

MEASURED = 3
LIMIT_S = 1800.0
VERSIONS = ("1.0.0", "1.1.0")
BLOCK = """\
block: bare
version: 1.1.0
terraform: .
image: { variable: image_id, family: bare, version: "~> 1.1" }
clusters:
  server:
    nodes: module.server
    strategy: STRATEGY
    volumes: { data: { mount: /var/lib/app } }
    gates: [mounted]
lab: { images: lab/images, network: network_cidr }
"""
MAIN = """\
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "image_id" { type = string }
variable "network_cidr" { type = string }
variable "size" { type = number }

data "aws_availability_zones" "available" {}

locals {
  zones = slice(sort(data.aws_availability_zones.available.names), 0, 3)
  nodes = { for index in range(var.size) : format("n%02d", index) => index }
}

module "network" {
  source = "../../modules/network"
  name   = "bare"
  cidr   = var.network_cidr
  zones  = local.zones
}

resource "aws_security_group" "server" {
  name   = "bare"
  vpc_id = module.network.vpc_id
}

module "server" {
  source   = "../../modules/MODULE"
  for_each = local.nodes

  node               = each.key
  cluster            = { block = "bare", name = "server", environment = "default" }
  image_id           = var.image_id
  instance_type      = "t3.small"
  subnet_id          = module.network.subnets[each.value % 3].id
  zone               = module.network.subnets[each.value % 3].zone
  address            = cidrhost(cidrsubnet(var.network_cidr, 8, 10 + each.value % 3), 11 + each.value)
  security_group_ids = [aws_security_group.server.id]
  user_data          = "#cloud-config\\n{}"
  volume             = { size = 1, type = "gp3", encrypted = true, device = "/dev/xvdf" }
HELD}
"""
OUTPUT = """
output "block" {
  value = { name = "bare", version = "1.1.0" }
}
"""
HELD = """  held               = try(var.held[each.key], null)
"""
HELD_VARIABLE = """
variable "held" {
  type    = map(object({ slot = string, image_id = string, both = bool }))
  default = {}
}
"""
BOOT = {"mounts": [{"device": "/dev/xvdf", "path": "/var/lib/app"}]}


def make_block(tree: Path, strategy: str) -> Path:
    """Write the block for a strategy into a tree of its own, beside the repository's modules; return its directory."""
    swaps = strategy == "swap"
    shutil.copytree(REPOSITORY / "terraform/modules", tree / "modules", ignore=shutil.ignore_patterns(".terraform*"))
    block = tree / "blocks/bare"
    block.mkdir(parents=True)
    (block / "immtf.yaml").write_text(BLOCK.replace("STRATEGY", strategy))
    main = MAIN.replace("MODULE", "slotted-node" if swaps else "node").replace("HELD", HELD if swaps else "")
    (block / "main.tf").write_text(main + (HELD_VARIABLE if swaps else "") + OUTPUT)
    for version in VERSIONS:
        place = block / "lab/images/bare" / version / "etc"
        (place / "lab").mkdir(parents=True)
        (place / "image-version").write_text(f"{version}\n")
        (place / "lab/boot.json").write_text(json.dumps(BOOT))
    return block


def measure(directory: Path, terraform: Path, strategy: str, size: int) -> dict[str, Any]:
    """Make so many nodes, roll the first of them, and return what each cost."""
    rehearsal = Rehearsal(directory)
    try:
        rehearsal.block = make_block(directory / "bare/terraform", strategy)
        shim = Shim.made(directory / "shim", terraform)
        given = ("--yes", "--var", f"size={size}")
        rehearsal.create(VERSIONS[0], *given[1:])
        account = Account(rehearsal.lab, shim)
        child = rehearsal.begin("upgrade", *given, variables={"IMMTF_TERRAFORM": str(shim.program)})
        return {"strategy": strategy, "size": size, **_rolled(child, account, min(MEASURED, size))}
    finally:
        rehearsal.close()


def _rolled(child: Child, account: Account, count: int) -> dict[str, Any]:
    with metered(child.pid) as meter:

        def marked() -> dict[str, Any]:
            meter.look()
            return account.spent() | {"cpu_s": meter.cpu_s}

        child.until(at("node_started"), LIMIT_S)
        before = marked()
        marks = []
        for _ in range(count):
            child.until(at("node_finished"), LIMIT_S)
            marks.append(marked())
        child.interrupt()
        child.ended(LIMIT_S)
    names = {"seconds": "total_s", "terraform_runs": "terraform_runs", "aws_calls": "aws_calls", "cpu_s": "cpu_s"}
    each = {name: (marks[-1][key] - marks[0][key]) / (count - 1) for name, key in names.items()}
    calls = {name: made / (count - 1) for name, made in since(marks[0]["calls"], marks[-1]["calls"]).items()}
    return {"node": each, "calls": calls, "before": {name: before[key] for name, key in names.items()}, "peak_mb": meter.peak_mb}
