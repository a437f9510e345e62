# Both parts of the service on one image: etcd with its unit after its volume, and the pages. Which of them an instance is, its user data says.

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
    source      = var.etcd_package != "" ? var.etcd_package : local.nothing
    destination = "/tmp/immtf-build/etcd-package"
  }

  provisioner "shell" {
    execute_command = local.as_root
    environment_vars = [
      "IMMTF_VERSION=${var.version}",
      "ETCD_VERSION=${local.pins.etcd.version}",
      "ETCD_BUILD=${local.pins.etcd.build}",
      "ETCD_SHA256=${join(" ", values(local.pins.etcd.sha256))}",
      "ETCD_UID=${local.pins.etcd.uid}",
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
