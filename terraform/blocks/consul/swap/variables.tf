variable "image_id" {
  description = "The machine image (AMI) of the servers, of the family `consul`. immtf sets it from the version in immtf.yaml."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "The image must be the id of an AMI, such as ami-0123456789abcdef0."
  }
}

variable "nodes" {
  description = "The names of the servers, one small letter each. The letter decides the zone and the address; an odd number of servers keeps a quorum longest."
  type        = set(string)
  default     = ["a", "b", "c"]

  validation {
    condition     = length(var.nodes) >= 1 && alltrue([for name in var.nodes : can(regex("^[a-z]$", name))])
    error_message = "Every node must be named by one small letter, such as a; at least one node is needed."
  }
}

variable "environment" {
  description = "The name of the environment. It becomes the tag immtf:environment and a part of names, so that environments live side by side in one account."
  type        = string
  default     = "default"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.environment))
    error_message = "The environment's name must have 1 to 63 small letters, digits or dashes, and must not begin with a dash."
  }
}

variable "base" {
  description = "The network of the block base, by its outputs; immtf fills it in. Without it the block makes a network of its own."
  type = object({
    vpc_id       = string
    network_cidr = string
    subnets = list(object({
      id   = string
      zone = string
      cidr = string
    }))
  })
  default = null
}

variable "network_cidr" {
  description = "The addresses of the block's own network, a /16; without meaning where there is a base."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "The availability zones to spread the servers over, in this order, where the block has a network of its own (a base has its own zones); null for the region's first three. Name them where the region may get new ones: a volume can't follow its node into another zone."
  type        = list(string)
  default     = null
}

variable "internet" {
  description = "Whether the servers reach the internet by public addresses, where the block has a network of its own. Systems Manager, which immtf looks into servers with, needs this or VPC endpoints."
  type        = bool
  default     = false
}

variable "client_cidrs" {
  description = "Who may use the servers' HTTP interface, besides the network itself."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Every client must be written as a CIDR, such as 10.30.0.0/16."
  }
}

variable "instance_type" {
  description = "The type of the servers."
  type        = string
  default     = "t3.small"
}

variable "instance_profile" {
  description = "The name of the servers' IAM instance profile, which lets Systems Manager reach them; null where the account's default host management does."
  type        = string
  default     = null
}

variable "volume_size" {
  description = "The size of each data volume, in GiB."
  type        = number
  default     = 10

  validation {
    condition     = var.volume_size >= 1
    error_message = "A volume has at least 1 GiB."
  }
}

variable "snapshot_id" {
  description = "A snapshot that the data volumes of new servers are made from, for tests on data like production's; null for empty ones. Volumes that are there stay as they are."
  type        = string
  default     = null
}

variable "tags" {
  description = "More tags for everything in the block."
  type        = map(string)
  default     = {}
}

variable "held" {
  description = "By server: the slot that serves while an upgrade is under way; immtf passes it. See modules/slotted-node."
  type = map(object({
    slot     = string
    image_id = string
    both     = bool
  }))
  default = {}
}
