# What a caller may say. This file is the same for every image; the contract is in packer/README.md.

variable "version" {
  description = "The image's version"
  type        = string
}

variable "template" {
  description = "Digest of the template, for the tag immtf:template"
  type        = string
  default     = ""
}

variable "revision" {
  description = "Git revision, for the tag immtf:revision"
  type        = string
  default     = ""
}

variable "data_format" {
  description = "What this version writes to its volume, where old versions can't read it; for the tag immtf:data-format"
  type        = string
  default     = ""
}

variable "tags" {
  description = "More tags for the image"
  type        = map(string)
  default     = {}
}

variable "source_image" {
  description = "What to build from: an AMI's id, or a Docker image's name. Empty: found by the pins"
  type        = string
  default     = ""
}

variable "ami_name" {
  description = "The AMI's name. Empty: family, version and time"
  type        = string
  default     = ""
}

variable "region" {
  description = "AWS region to build in"
  type        = string
  default     = "us-east-1"
}

variable "endpoint" {
  description = "EC2's endpoint: that of a lab. Empty: AWS"
  type        = string
  default     = ""
}

variable "instance_type" {
  description = "Type of the instance that the image is built on"
  type        = string
  default     = "t3.small"
}

variable "vpc_id" {
  description = "Where the instance is started. Empty: the default VPC"
  type        = string
  default     = ""
}

variable "subnet_id" {
  description = "Where the instance is started. Empty: a default subnet"
  type        = string
  default     = ""
}

variable "instance_profile" {
  description = "The instance's profile, where Packer reaches it by session_manager"
  type        = string
  default     = ""
}

variable "ssh_username" {
  description = "The source image's user"
  type        = string
  default     = "admin"
}

variable "ssh_interface" {
  description = "How Packer reaches the instance: public_ip, private_ip, session_manager. Empty: Packer's choice"
  type        = string
  default     = ""
}

variable "ssm_agent_package" {
  description = "Path of the SSM agent's .deb. Empty: none"
  type        = string
  default     = ""
}
