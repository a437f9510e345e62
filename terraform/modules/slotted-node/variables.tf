variable "node" {
  description = "The node's name within its cluster. It never changes, whatever instance the node has at present."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,30}$", var.node))
    error_message = "The node's name must have 1 to 31 small letters, digits or dashes, and must not begin with a dash."
  }
}

variable "cluster" {
  description = "What the node belongs to: the block, the cluster within the block, and the environment; they become tags."
  type = object({
    block       = string
    name        = string
    environment = string
  })
}

variable "image_id" {
  description = "The machine image (AMI) that the instance is made from. Another one is another slot, and so another instance beside this one."
  type        = string
}

variable "instance_type" {
  description = "The instance's type."
  type        = string
}

variable "subnet_id" {
  description = "The subnet of the instances and of the interface. It must lie in the zone."
  type        = string
}

variable "zone" {
  description = "The availability zone of the volume, and so of the instances. A volume can't move to another one."
  type        = string
}

variable "address" {
  description = "The node's fixed private address, within the subnet. It belongs to the node's own interface; an instance has it while it serves. null for none: then each instance has one of its own, and a server leaves its cluster before it goes to the next."
  type        = string
  default     = null

  validation {
    condition     = var.address == null ? true : can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$", var.address))
    error_message = "The address must be an IPv4 address, such as 10.20.10.11."
  }
}

variable "security_group_ids" {
  description = "The security groups of the instances and of the interface."
  type        = set(string)
}

variable "user_data" {
  description = "What the instance does at its first boot. It says which node this is; all the rest is in the image. A change of it is another slot."
  type        = string
}

variable "instance_profile" {
  description = "The name of the IAM instance profile; null for none."
  type        = string
  default     = null
}

variable "volume" {
  description = "The data volume: its size in GiB, its type, whether it is encrypted, and the device it is attached as."
  type = object({
    size      = number
    type      = string
    encrypted = bool
    device    = string
  })

  validation {
    condition     = var.volume.size >= 1 && can(regex("^/dev/(sd|xvd)[f-p]$", var.volume.device))
    error_message = "The volume needs at least 1 GiB and a device from /dev/sdf to /dev/sdp or /dev/xvdf to /dev/xvdp."
  }
}

variable "snapshot_id" {
  description = "The snapshot that the data volume is made from, at its making only; null for an empty volume."
  type        = string
  default     = null
}

variable "tags" {
  description = "More tags for the instances, the interface and the volume."
  type        = map(string)
  default     = {}
}

variable "held" {
  description = "The slot whose instance serves while an upgrade is under way, and the image it was made from; both: the wanted one is there beside it. null where nothing is under way. immtf passes it, nobody else."
  type = object({
    slot     = string
    image_id = string
    both     = bool
  })
  default = null

  validation {
    condition     = var.held == null ? true : can(regex("^ami-[0-9a-f]+-[0-9a-f]{8}$", var.held.slot)) && startswith(var.held.slot, "${var.held.image_id}-")
    error_message = "A slot is named by its image's id and eight hexadecimal digits, such as ami-0123456789abcdef0-89abcdef; the image must be the same."
  }
}
