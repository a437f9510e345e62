variable "name" {
  description = "The name of the network; it becomes the Name tag."
  type        = string
}

variable "cidr" {
  description = "The addresses of the network, a /16. The subnet of the first zone is its 10th /24, that of the second the 11th, and so on."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/16$", var.cidr))
    error_message = "The network must be written as an IPv4 /16, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "The availability zones, one subnet each. Their order decides the addresses: append, never reorder."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) == length(distinct(var.zones))
    error_message = "At least one availability zone is needed, and none may be named twice."
  }
}

variable "internet" {
  description = "Whether the subnets reach the internet: instances then get public addresses and a route through a gateway."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags for everything in the network."
  type        = map(string)
  default     = {}
}
