#!/bin/bash
# Consul's user, place, configuration and unit.
set -euo pipefail
cd /tmp/immtf-build/files

# Its number is pinned: the files on a volume carry it from image to image.
if ! id consul >/dev/null 2>&1; then
  groupadd --system --gid "$CONSUL_UID" consul
  useradd --system --uid "$CONSUL_UID" --gid consul --home-dir /var/lib/consul --no-create-home --shell /usr/sbin/nologin consul
fi
[ "$(id -u consul)" = "$CONSUL_UID" ] || { echo "consul has the number $(id -u consul), not $CONSUL_UID" >&2; exit 1; }

# Without its volume the place is nobody's to write to.
install -d -m 0555 -o root -g root /var/lib/consul
install -D -m 0644 data.conf /etc/immtf/volumes.d/data.conf

install -d -m 0755 /etc/consul.d
install -m 0644 consul.d/image.json /etc/consul.d/image.json
for since in consul.d/since/*; do
  if dpkg --compare-versions "${since##*/}" le "$IMMTF_VERSION"; then install -m 0644 "$since"/*.json /etc/consul.d/; fi
done
/usr/local/bin/consul validate /etc/consul.d >/dev/null

install -D -m 0755 consul-start /usr/local/lib/immtf/consul-start
install -m 0644 consul.service /etc/systemd/system/consul.service
systemctl enable immtf-volume@data.service consul.service
