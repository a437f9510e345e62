variable "environment" {
  description = "The name of the environment. It becomes the tag immtf:environment and a part of names, so that environments live side by side in one account."
  type        = string
  default     = "default"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.environment))
    error_message = "The environment's name must have 1 to 63 small letters, digits or dashes, and must not begin with a dash."
  }
}

variable "network_cidr" {
  description = "The addresses of the network, a /16."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "The availability zones to have a subnet in, in this order; null for the region's first three. Name them where the region may get new ones: the order decides the addresses."
  type        = list(string)
  default     = null
}

variable "internet" {
  description = "Whether the subnets reach the internet by public addresses. Systems Manager, which immtf looks into servers with, needs this or VPC endpoints."
  type        = bool
  default     = false
}

variable "tags" {
  description = "More tags for everything in the block."
  type        = map(string)
  default     = {}
}
