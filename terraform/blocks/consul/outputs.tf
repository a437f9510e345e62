output "block" {
  description = "The block's name and version, as in immtf.yaml."
  value = {
    name    = local.block.block
    version = local.block.version
  }
}

output "nodes" {
  description = "The servers by node: instance, address, zone and data volume."
  value = { for name, node in module.server : name => {
    instance_id = node.instance_id
    address     = node.address
    zone        = node.zone
    volume_id   = node.volume_id
  } }
}
