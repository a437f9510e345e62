output "instance_id" {
  description = "The node's instance at present."
  value       = aws_instance.this.id
}

output "address" {
  description = "The node's private address."
  value       = aws_instance.this.private_ip
}

output "zone" {
  description = "The availability zone of the node."
  value       = aws_ebs_volume.data.availability_zone
}

output "volume_id" {
  description = "The node's data volume."
  value       = aws_ebs_volume.data.id
}
