# The Consul cluster for strategy swap: as the block above it, but each server's address is on an interface of its own, which goes to
# the new instance with the volume.

data "aws_availability_zones" "available" {
  state = "available"
}

locals {
  block = yamldecode(file("${path.module}/immtf.yaml"))
  zones = var.zones != null ? var.zones : slice(sort(data.aws_availability_zones.available.names), 0, 3)

  # The network is that of the block base or, where there is none, one of its own with the same layout. The ranges of its subnets
  # are worked out here, and not asked of the module, so that the servers' addresses are known before there is a network.
  network = {
    vpc_id  = var.base != null ? var.base.vpc_id : one(values(module.network)[*].vpc_id)
    subnets = var.base != null ? var.base.subnets : one(values(module.network)[*].subnets)
    cidr    = var.base != null ? var.base.network_cidr : var.network_cidr
  }
  ranges = var.base != null ? var.base.subnets[*].cidr : [for index, zone in local.zones : cidrsubnet(var.network_cidr, 8, 10 + index)]

  # A node's zone and address follow from its name alone: they stay what they are when another node comes or goes.
  letters = split("", "abcdefghijklmnopqrstuvwxyz")
  nodes = {
    for name in var.nodes : name => {
      zone    = index(local.letters, name) % length(local.ranges)
      address = cidrhost(local.ranges[index(local.letters, name) % length(local.ranges)], 11 + index(local.letters, name))
    }
  }

  tags = merge(var.tags, {
    "immtf:block"       = local.block.block
    "immtf:environment" = var.environment
  })
}

module "network" {
  source   = "../../../modules/network"
  for_each = toset(var.base == null ? ["own"] : [])

  name     = "${local.block.block}-${var.environment}"
  cidr     = var.network_cidr
  zones    = local.zones
  internet = var.internet
  tags     = local.tags
}

resource "aws_security_group" "server" {
  name        = "${local.block.block}-server-${var.environment}"
  description = "Consul servers among themselves, and their clients"
  vpc_id      = local.network.vpc_id
  tags        = merge(local.tags, { Name = "${local.block.block}-server" })

  ingress {
    description = "Servers: RPC and gossip"
    protocol    = "tcp"
    from_port   = 8300
    to_port     = 8301
    self        = true
  }

  ingress {
    description = "Servers: gossip"
    protocol    = "udp"
    from_port   = 8301
    to_port     = 8301
    self        = true
  }

  ingress {
    description = "Clients: HTTP"
    protocol    = "tcp"
    from_port   = 8500
    to_port     = 8500
    cidr_blocks = concat([local.network.cidr], var.client_cidrs)
  }

  egress {
    description = "Everything out"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

module "server" {
  source   = "../../../modules/slotted-node"
  for_each = local.nodes

  node = each.key
  cluster = {
    block       = local.block.block
    name        = "server"
    environment = var.environment
  }

  image_id           = var.image_id
  held               = try(var.held[each.key], null)
  instance_type      = var.instance_type
  instance_profile   = var.instance_profile
  subnet_id          = local.network.subnets[each.value.zone].id
  zone               = local.network.subnets[each.value.zone].zone
  address            = each.value.address
  security_group_ids = [aws_security_group.server.id]
  tags               = var.tags

  volume = {
    size      = var.volume_size
    type      = "gp3"
    encrypted = true
    device    = "/dev/xvdf"
  }
  snapshot_id = var.snapshot_id

  # JSON is YAML, so cloud-init takes it as it is. Only what differs between nodes or environments stands here; the rest is
  # in the image.
  user_data = join("\n", ["#cloud-config", jsonencode({
    write_files = [{
      path        = "/etc/consul.d/node.json"
      permissions = "0644"
      content = jsonencode({
        node_name        = each.key
        bind_addr        = each.value.address # the node's own interface, not the instance's
        bootstrap_expect = length(local.nodes)
        retry_join       = [for name in sort(keys(local.nodes)) : local.nodes[name].address]
      })
    }]
  })])
}
