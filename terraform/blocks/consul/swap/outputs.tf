output "block" {
  description = "The block's name and version, and which versions of other blocks it takes, as in immtf.yaml."
  value = {
    name     = local.block.block
    version  = local.block.version
    requires = { for name, need in try(local.block.requires, {}) : name => try(need.version, need) }
  }
}

output "nodes" {
  description = "The servers by node: instance, address, zone, data volume and interface."
  value = { for name, node in module.server : name => {
    instance_id  = node.instance_id
    address      = node.address
    zone         = node.zone
    volume_id    = node.volume_id
    interface_id = node.interface_id
  } }
}
