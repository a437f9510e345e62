# One node whose next instance is made and booted beside the present one: strategy swap. The data volume and the interface with the
# node's private address outlive the instances; which instance has them is a matter of these lines alone. Without an address of its own
# a node has that of the instance that serves.

locals {
  name = "${var.cluster.block}-${var.node}"

  # Another image, or another user data, is another slot.
  wanted = "${var.image_id}-${substr(sha256(var.user_data), 0, 8)}"
  held   = var.held == null ? local.wanted : var.held.slot
  both   = var.held == null ? false : var.held.both

  # Instances by slot, each with its image, and the slot whose instance serves. Where nothing is held both are the wanted one.
  slots = merge(
    local.held == local.wanted || local.both ? { (local.wanted) = var.image_id } : {},
    local.held == local.wanted ? {} : { (local.held) = var.held.image_id },
  )
  active = local.held

  tags = merge(var.tags, {
    "immtf:block"       = var.cluster.block
    "immtf:cluster"     = var.cluster.name
    "immtf:environment" = var.cluster.environment
    "immtf:node"        = var.node
  })
}

# No reference to the interface or the volume: an instance that is targeted brings along whatever it refers to, of every node.
resource "aws_instance" "this" {
  for_each = local.slots

  ami                    = each.value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = var.security_group_ids
  iam_instance_profile   = var.instance_profile
  user_data              = var.user_data

  # The root disk belongs to the instance and holds nothing that has to last.
  root_block_device {
    delete_on_termination = true
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  tags = merge(local.tags, {
    Name         = local.name
    "immtf:slot" = each.key
  })

  # The user data is in the slot's name. A slot that is held keeps what its instance was made with.
  lifecycle {
    ignore_changes = [user_data]
  }
}

# The node's address, which goes from instance to instance with the volume. Each instance has a primary address of its own besides.
resource "aws_network_interface" "this" {
  for_each = toset(var.address == null ? [] : ["own"])

  subnet_id       = var.subnet_id
  private_ips     = [var.address]
  security_groups = var.security_group_ids

  # No attachment of its own: that keeps the id it was made with when the interface is moved, and can't be destroyed any more.
  attachment {
    instance     = aws_instance.this[local.active].id
    device_index = 1
  }

  tags = merge(local.tags, { Name = local.name })
}

# A resource of its own, never a block device inside the instance: so it outlives the instance.
resource "aws_ebs_volume" "data" {
  availability_zone = var.zone
  size              = var.volume.size
  type              = var.volume.type
  encrypted         = var.volume.encrypted
  snapshot_id       = var.snapshot_id

  tags = merge(local.tags, { Name = "${local.name}-data" })

  # What a volume was made from is its past: another snapshot, or none any more, is no reason to make it anew.
  lifecycle {
    ignore_changes = [snapshot_id]
  }
}

# No `force_detach`: a volume is detached when the instance has been stopped and nothing writes to it any more.
resource "aws_volume_attachment" "data" {
  device_name = var.volume.device
  instance_id = aws_instance.this[local.active].id
  volume_id   = aws_ebs_volume.data.id
}
