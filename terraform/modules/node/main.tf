# One node: the place in a cluster that outlives its instances. The instance is made anew from each image; the data volume
# and the private address stay with the node.

locals {
  name = "${var.cluster.block}-${var.node}"

  tags = merge(var.tags, {
    "immtf:block"       = var.cluster.block
    "immtf:cluster"     = var.cluster.name
    "immtf:environment" = var.cluster.environment
    "immtf:node"        = var.node
  })
}

resource "aws_instance" "this" {
  ami                    = var.image_id
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  private_ip             = var.address
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
  instance_id = aws_instance.this.id
  volume_id   = aws_ebs_volume.data.id
}
