# A Consul server: the pinned program, its unit after its volume, its configuration without what differs between nodes.

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
    source      = var.consul_package != "" ? var.consul_package : local.nothing
    destination = "/tmp/immtf-build/consul-package"
  }

  provisioner "shell" {
    execute_command = local.as_root
    environment_vars = [
      "IMMTF_VERSION=${var.version}",
      "CONSUL_VERSION=${local.pins.consul.version}",
      "CONSUL_SHA256=${join(" ", values(local.pins.consul.sha256))}",
      "CONSUL_UID=${local.pins.consul.uid}",
    ]
    scripts = ["${path.root}/scripts/program.sh", "${path.root}/scripts/service.sh"]
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
