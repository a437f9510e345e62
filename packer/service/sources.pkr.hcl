# Where an image is made: an EC2 instance (of AWS, or of the lab), or a container. This file is the same for every image.

locals {
  lab  = var.endpoint != ""
  name = "${var.family}-${var.version}"

  all_tags = merge(var.tags, {
    "immtf:family"      = var.family
    "immtf:version"     = var.version
    "immtf:template"    = var.template
    "immtf:revision"    = var.revision
    "immtf:data-format" = var.data_format
  })
  tags = { for key, value in local.all_tags : key => value if value != "" }

  # What the image says of itself, in /etc/immtf/image.json.
  facts = jsonencode({
    family      = var.family
    version     = var.version
    template    = var.template
    revision    = var.revision
    data_format = var.data_format
    keep_ssh    = var.keep_ssh
  })

  # A variable that names no file uploads this one: Packer has no conditional provisioner.
  nothing = "${abspath(path.root)}/../shared/files/nothing"

  # Root already, in a container; by sudo on an instance.
  as_root = "if [ $(id -u) = 0 ]; then env {{ .Vars }} bash {{ .Path }}; else sudo -n env {{ .Vars }} bash {{ .Path }}; fi"
}

source "amazon-ebs" "aws" {
  region                     = var.region
  custom_endpoint_ec2        = var.endpoint
  skip_region_validation     = local.lab
  skip_credential_validation = local.lab
  skip_metadata_api_check    = local.lab
  ami_name                   = var.ami_name != "" ? var.ami_name : "${local.name}-{{timestamp}}"
  ami_description            = "immtf: ${var.family} ${var.version}"
  instance_type              = var.instance_type
  iam_instance_profile       = var.instance_profile
  vpc_id                     = var.vpc_id
  subnet_id                  = var.subnet_id
  ssh_username               = var.ssh_username
  ssh_interface              = var.ssh_interface != "" ? var.ssh_interface : (local.lab ? "private_ip" : "")
  ssh_timeout                = "10m"
  source_ami                 = var.source_image

  # Empty where an id is given: Packer would ask for both.
  source_ami_filter {
    filters     = { for key, value in local.source_filters : key => value if var.source_image == "" }
    owners      = [for owner in [local.lab ? "self" : local.source_owner] : owner if var.source_image == ""]
    most_recent = var.source_image == ""
  }

  tags            = merge(local.tags, { "Name" = local.name, "immtf:source" = "{{ .SourceAMI }}" })
  snapshot_tags   = merge(local.tags, { "Name" = local.name })
  run_tags        = { "Name" = "packer ${local.name}", "immtf:building" = local.name }
  run_volume_tags = { "immtf:building" = local.name }
}

source "docker" "local" {
  image  = var.source_image != "" ? var.source_image : local.source_docker
  pull   = false
  commit = true
  # Packer's own --entrypoint would stay in the image.
  run_command = ["-d", "-i", "-t", "--", "{{ .Image }}", "/bin/sh"]
  changes = concat(
    ["ENV container=docker", "CMD [\"/sbin/init\"]"],
    [for key, value in local.tags : "LABEL ${key}=${value}"]
  )
}
