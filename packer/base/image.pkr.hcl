# What makes this the base image: its name, and what it is made from.

variable "family" {
  description = "The image's family, for the tag immtf:family"
  type        = string
  default     = "base"
}

variable "keep_ssh" {
  description = "Whether sshd starts in an instance of the image. This one is built upon, so it does"
  type        = bool
  default     = true
}

variable "local_image" {
  description = "Name of the Docker image that the local source makes; its tag is the version"
  type        = string
  default     = "immtf-base"
}

# Packer 1.6.6 knows locals of files that come earlier in the alphabet only, and `file` starts at the template.
locals {
  pins = jsondecode(file("${abspath(path.root)}/../pins.json"))

  source_owner  = local.pins.source.ami_owner
  source_docker = local.pins.source.docker_image
  source_filters = {
    "name"                = local.pins.source.ami_name
    "root-device-type"    = "ebs"
    "virtualization-type" = "hvm"
    "architecture"        = "x86_64"
  }
}
