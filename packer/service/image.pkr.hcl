# What makes this the image of the block `service`: its name, and what it is made from.

variable "family" {
  description = "The image's family, for the tag immtf:family"
  type        = string
  default     = "service"
}

variable "keep_ssh" {
  description = "Whether sshd starts in an instance of the image"
  type        = bool
  default     = false
}

variable "local_image" {
  description = "Name of the Docker image that the local source makes; its tag is the version"
  type        = string
  default     = "immtf-service"
}

variable "etcd_package" {
  description = "Path of etcd's .deb or program; its sha256 stands in the pins. Empty: apt fetches the pinned build"
  type        = string
  default     = ""
}

# Packer 1.6.6 knows locals of files that come earlier in the alphabet only, and `file` starts at the template.
locals {
  pins = jsondecode(file("${abspath(path.root)}/../pins.json"))

  source_owner  = "self"
  source_docker = "immtf-base"
  source_filters = {
    "tag:immtf:family" = "base"
    "tag-key"          = "immtf:promoted" # what is built and not proven is nobody's to build upon
    "state"            = "available"
  }
}
