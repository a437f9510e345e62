# A service of two parts: a stateful etcd cluster, one module per server, and web servers that keep nothing. Both are made of one
# image; what an instance is, its user data says. It lives in the network of the block base and is told where Consul is.

locals {
  block = yamldecode(file("${path.module}/immtf.yaml"))

  # A node's zone and address follow from its name alone: they stay what they are when another node comes or goes. The hosts are
  # others than those of the blocks that share the subnets.
  letters = split("", "abcdefghijklmnopqrstuvwxyz")
  places = {
    for part, nodes in { etcd = { names = var.nodes, first = 61 }, web = { names = var.web_nodes, first = 111 } } : part => {
      for name in nodes.names : name => {
        zone    = index(local.letters, name) % length(var.base.subnets)
        address = cidrhost(var.base.subnets[index(local.letters, name) % length(var.base.subnets)].cidr, nodes.first + index(local.letters, name))
      }
    }
  }

  tags = merge(var.tags, {
    "immtf:block"       = local.block.block
    "immtf:environment" = var.environment
  })
}

resource "aws_security_group" "etcd" {
  name        = "${local.block.block}-etcd-${var.environment}"
  description = "etcd servers among themselves, and their clients"
  vpc_id      = var.base.vpc_id
  tags        = merge(local.tags, { Name = "${local.block.block}-etcd" })

  ingress {
    description = "Servers: Raft"
    protocol    = "tcp"
    from_port   = 2380
    to_port     = 2380
    self        = true
  }

  ingress {
    description = "Clients: HTTP"
    protocol    = "tcp"
    from_port   = 2379
    to_port     = 2379
    cidr_blocks = concat([var.base.network_cidr], var.client_cidrs)
  }

  egress {
    description = "Everything out"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "web" {
  name        = "${local.block.block}-web-${var.environment}"
  description = "The web part's clients"
  vpc_id      = var.base.vpc_id
  tags        = merge(local.tags, { Name = "${local.block.block}-web" })

  ingress {
    description = "Clients: HTTP"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8080
    cidr_blocks = concat([var.base.network_cidr], var.client_cidrs)
  }

  egress {
    description = "Everything out"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

module "etcd" {
  source   = "../../modules/node"
  for_each = local.places.etcd

  node = each.key
  cluster = {
    block       = local.block.block
    name        = "etcd"
    environment = var.environment
  }

  image_id           = var.image_id
  instance_type      = var.instance_type
  instance_profile   = var.instance_profile
  subnet_id          = var.base.subnets[each.value.zone].id
  zone               = var.base.subnets[each.value.zone].zone
  address            = each.value.address
  security_group_ids = [aws_security_group.etcd.id]
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
      path        = "/etc/service/etcd.env"
      permissions = "0644"
      content = join("\n", [
        "ETCD_NAME=${each.key}",
        "ETCD_INITIAL_CLUSTER=${join(",", [for name in sort(keys(local.places.etcd)) : "${name}=http://${local.places.etcd[name].address}:2380"])}",
        "ETCD_INITIAL_CLUSTER_STATE=new",
        "ETCD_INITIAL_CLUSTER_TOKEN=${local.block.block}-${var.environment}",
        "",
      ])
    }]
  })])
}

# Without a data volume there is nothing to keep: such an instance is only replaced, one after the other.
resource "aws_instance" "web" {
  for_each = local.places.web

  ami                    = var.image_id
  instance_type          = var.instance_type
  subnet_id              = var.base.subnets[each.value.zone].id
  private_ip             = each.value.address
  vpc_security_group_ids = [aws_security_group.web.id]
  iam_instance_profile   = var.instance_profile

  user_data = join("\n", ["#cloud-config", jsonencode({
    write_files = [{
      path        = "/etc/service/web.json"
      permissions = "0644"
      content = jsonencode({
        node   = each.key
        consul = [for name in sort(keys(var.consul.nodes)) : "http://${var.consul.nodes[name].address}:8500"]
        etcd   = [for name in sort(keys(local.places.etcd)) : "http://${local.places.etcd[name].address}:2379"]
      })
    }]
  })])

  root_block_device {
    delete_on_termination = true
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  tags = merge(local.tags, {
    "immtf:cluster" = "web"
    "immtf:node"    = each.key
    Name            = "${local.block.block}-web-${each.key}"
  })
}
