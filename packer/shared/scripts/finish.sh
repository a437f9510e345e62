#!/bin/bash
# Last: what the image says of itself goes in; what belongs to the machine it was built on goes out.
set -euo pipefail

install -d -m 0755 /etc/immtf
printf '%s\n' "$IMMTF_FACTS" >/etc/immtf/image.json
printf '%s\n' "$IMMTF_VERSION" >/etc/image-version
rm -f /etc/data-format
if [ -n "$IMMTF_DATA_FORMAT" ]; then printf '%s\n' "$IMMTF_DATA_FORMAT" >/etc/data-format; fi

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
find /var/log -type f -delete

# Each instance gets its own. An empty machine-id isn't a first boot to systemd: what is disabled stays so.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
: >/etc/machine-id
if command -v cloud-init >/dev/null; then cloud-init clean --logs --seed; fi
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /root/.bash_history /home/*/.bash_history
rm -rf /run/immtf /var/tmp/* /tmp/immtf-build
sync
