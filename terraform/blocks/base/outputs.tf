output "block" {
  description = "The block's name and version, and which versions of other blocks it takes (none), as in immtf.yaml."
  value = {
    name     = local.block.block
    version  = local.block.version
    requires = {}
  }
}

output "vpc_id" {
  description = "The network's id."
  value       = module.network.vpc_id
}

output "subnets" {
  description = "The subnets in the order of the zones: id, zone and addresses of each."
  value       = module.network.subnets
}

output "network_cidr" {
  description = "The addresses of the network."
  value       = var.network_cidr
}
