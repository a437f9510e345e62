# The base image: the pinned packages, the units that mount volumes, nothing that changes by itself.

build {
  sources = ["source.amazon-ebs.aws", "source.docker.local"]

  provisioner "shell" {
    execute_command = local.as_root
    script          = "${path.root}/../shared/scripts/begin.sh"
  }

  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/tmp/immtf-build/files"
  }

  provisioner "file" {
    source      = var.ssm_agent_package != "" ? var.ssm_agent_package : local.nothing
    destination = "/tmp/immtf-build/ssm-agent.deb"
  }

  provisioner "shell" {
    execute_command = local.as_root
    environment_vars = [
      "IMMTF_PACKAGES=${join(" ", [for name, version in local.pins.packages : "${name}=${version}"])}",
      "IMMTF_SSM_SHA256=${local.pins.ssm_agent.sha256.package}",
    ]
    scripts = [
      "${path.root}/scripts/packages.sh",
      "${path.root}/scripts/volumes.sh",
      "${path.root}/scripts/ssm-agent.sh",
    ]
  }

  provisioner "shell" {
    execute_command  = local.as_root
    environment_vars = ["IMMTF_FACTS=${local.facts}", "IMMTF_VERSION=${var.version}", "IMMTF_DATA_FORMAT=${var.data_format}"]
    scripts          = ["${path.root}/../shared/scripts/ssh.sh", "${path.root}/../shared/scripts/finish.sh"]
  }

  post-processor "docker-tag" {
    only       = ["docker.local"]
    repository = var.local_image
    tags       = [var.version, "latest"]
  }
}
