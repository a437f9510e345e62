#!/bin/bash
# Before anything is changed: the source image's own boot is over, and there is a place for what Packer sends.
set -euo pipefail

if [ -d /run/systemd/system ] && command -v cloud-init >/dev/null; then
  timeout 300 cloud-init status --wait >/dev/null || echo "cloud-init is not content; going on" >&2
fi
rm -rf /tmp/immtf-build
install -d -o "${SUDO_USER:-root}" /tmp/immtf-build /tmp/immtf-build/files
