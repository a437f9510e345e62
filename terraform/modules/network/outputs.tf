output "vpc_id" {
  description = "The network's id."
  value       = aws_vpc.this.id
}

output "subnets" {
  description = "The subnets in the order of the zones: id, zone and addresses of each."
  value = [for zone in var.zones : {
    id   = aws_subnet.this[zone].id
    zone = zone
    cidr = local.zones[zone]
  }]
}
