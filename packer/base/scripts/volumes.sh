#!/bin/bash
# The units that bring volumes to their places; which ones, the images made from this one say in /etc/immtf/volumes.d.
set -euo pipefail
cd /tmp/immtf-build/files

install -d -m 0755 /etc/immtf /etc/immtf/volumes.d
install -D -m 0755 immtf-volume /usr/local/lib/immtf/immtf-volume
install -m 0644 immtf-volume@.service immtf-ssh-keys.service /etc/systemd/system/
systemctl enable immtf-ssh-keys.service
systemctl set-default multi-user.target
