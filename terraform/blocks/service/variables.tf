variable "image_id" {
  description = "The machine image (AMI) of all instances, of the family `service`. immtf sets it from the version in immtf.yaml."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "The image must be the id of an AMI, such as ami-0123456789abcdef0."
  }
}

variable "base" {
  description = "The network of the block base, by its outputs; immtf fills it in."
  type = object({
    vpc_id       = string
    network_cidr = string
    subnets = list(object({
      id   = string
      zone = string
      cidr = string
    }))
  })
}

variable "consul" {
  description = "The servers of the block consul, by its outputs; immtf fills it in. The web part is told their addresses."
  type = object({
    nodes = map(object({
      address = string
    }))
  })
}

variable "nodes" {
  description = "The names of the etcd servers, one small letter each. The letter decides the zone and the address; an odd number of servers keeps a quorum longest."
  type        = set(string)
  default     = ["a", "b", "c"]

  validation {
    condition     = length(var.nodes) >= 1 && alltrue([for name in var.nodes : can(regex("^[a-z]$", name))])
    error_message = "Every node must be named by one small letter, such as a; at least one node is needed."
  }
}

variable "web_nodes" {
  description = "The names of the web part's instances, one small letter each. The letter decides the zone and the address."
  type        = set(string)
  default     = ["a", "b"]

  validation {
    condition     = length(var.web_nodes) >= 1 && alltrue([for name in var.web_nodes : can(regex("^[a-z]$", name))])
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

variable "client_cidrs" {
  description = "Who may use etcd's and the web part's HTTP interface, besides the network itself."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Every client must be written as a CIDR, such as 10.30.0.0/16."
  }
}

variable "instance_type" {
  description = "The type of all instances."
  type        = string
  default     = "t3.small"
}

variable "instance_profile" {
  description = "The name of the instances' IAM instance profile, which lets Systems Manager reach them; null where the account's default host management does."
  type        = string
  default     = null
}

variable "volume_size" {
  description = "The size of each etcd server's data volume, in GiB."
  type        = number
  default     = 10

  validation {
    condition     = var.volume_size >= 1
    error_message = "A volume has at least 1 GiB."
  }
}

variable "snapshot_id" {
  description = "A snapshot that the data volumes of new etcd servers are made from, for tests on data like production's; null for empty ones. Volumes that are there stay as they are."
  type        = string
  default     = null
}

variable "tags" {
  description = "More tags for everything in the block."
  type        = map(string)
  default     = {}
}
