# The network that the other blocks live in. It has no machines of its own, so it takes no image and has no clusters.

data "aws_availability_zones" "available" {
  state = "available"
}

locals {
  block = yamldecode(file("${path.module}/immtf.yaml"))
  zones = var.zones != null ? var.zones : slice(sort(data.aws_availability_zones.available.names), 0, 3)

  tags = merge(var.tags, {
    "immtf:block"       = local.block.block
    "immtf:environment" = var.environment
  })
}

module "network" {
  source = "../../modules/network"

  name     = "${local.block.block}-${var.environment}"
  cidr     = var.network_cidr
  zones    = local.zones
  internet = var.internet
  tags     = local.tags
}
