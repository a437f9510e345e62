output "block" {
  description = "The block's name and version, and which versions of other blocks it takes, as in immtf.yaml."
  value = {
    name     = local.block.block
    version  = local.block.version
    requires = { for name, need in try(local.block.requires, {}) : name => try(need.version, need) }
  }
}

output "nodes" {
  description = "The etcd servers by node: instance, address, zone and data volume."
  value = { for name, node in module.etcd : name => {
    instance_id = node.instance_id
    address     = node.address
    zone        = node.zone
    volume_id   = node.volume_id
  } }
}

output "web" {
  description = "The addresses of the web part's pages by node."
  value       = { for name, instance in aws_instance.web : name => "http://${instance.private_ip}:8080/" }
}
