# A network with one subnet per availability zone. Small on purpose: there is no NAT gateway, and the gateway to the internet
# is there only where it is asked for.

locals {
  zones = { for position, zone in var.zones : zone => cidrsubnet(var.cidr, 8, 10 + position) }
  tags  = merge(var.tags, { Name = var.name })
}

resource "aws_vpc" "this" {
  cidr_block = var.cidr
  tags       = local.tags
}

resource "aws_subnet" "this" {
  for_each = local.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = var.internet
  tags                    = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_internet_gateway" "this" {
  for_each = toset(var.internet ? ["this"] : [])

  vpc_id = aws_vpc.this.id
  tags   = local.tags
}

resource "aws_route" "internet" {
  for_each = aws_internet_gateway.this

  route_table_id         = aws_vpc.this.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = each.value.id
}
