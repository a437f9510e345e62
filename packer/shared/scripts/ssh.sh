#!/bin/bash
# Whether sshd starts in an instance of the image. What runs now is left alone: Packer is still connected through it.
set -euo pipefail

case $IMMTF_FACTS in
  *'"keep_ssh":true'*)
    systemctl unmask ssh.service
    systemctl enable ssh.service
    ;;
  *) systemctl mask ssh.service ssh.socket ;;
esac
