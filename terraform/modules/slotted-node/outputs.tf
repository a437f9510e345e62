# Outputs of all nodes are worked out when one node is targeted, also of those that have no instance in the wanted slot yet.
output "instance_id" {
  description = "The instance that serves, has the volume and the address."
  value       = try(aws_instance.this[local.active].id, values(aws_instance.this)[0].id, null)
}

output "address" {
  description = "The node's private address: that of the interface of its own or, without one, of the instance that serves."
  value       = var.address != null ? var.address : try(aws_instance.this[local.active].private_ip, values(aws_instance.this)[0].private_ip, null)
}

output "zone" {
  description = "The availability zone of the node."
  value       = aws_ebs_volume.data.availability_zone
}

output "volume_id" {
  description = "The node's data volume."
  value       = aws_ebs_volume.data.id
}

output "interface_id" {
  description = "The node's network interface; null where it has none."
  value       = one(values(aws_network_interface.this)[*].id)
}

output "slot" {
  description = "The slot whose instance serves."
  value       = local.active
}
