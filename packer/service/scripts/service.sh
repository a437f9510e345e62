#!/bin/bash
# Both parts: users, places, programs and units.
set -euo pipefail
cd /tmp/immtf-build/files

# Its number is pinned: the files on a volume carry it from image to image. The pages keep nothing, so theirs may be any.
if ! id etcd >/dev/null 2>&1; then
  groupadd --system --gid "$ETCD_UID" etcd
  useradd --system --uid "$ETCD_UID" --gid etcd --home-dir /var/lib/etcd --no-create-home --shell /usr/sbin/nologin etcd
fi
[ "$(id -u etcd)" = "$ETCD_UID" ] || { echo "etcd has the number $(id -u etcd), not $ETCD_UID" >&2; exit 1; }
id web >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin web

# Without its volume the place is nobody's to write to.
install -d -m 0555 -o root -g root /var/lib/etcd
install -D -m 0644 data.conf /etc/immtf/volumes.d/data.conf

# The programs are those of the lab's images; a version has what came with it or before it.
install -d -m 0755 /etc/service /usr/lib/service
install -m 0755 etcd web web.py /usr/lib/service/
for since in since/*; do
  if dpkg --compare-versions "${since##*/}" le "$IMMTF_VERSION"; then install -m 0755 "$since"/* /usr/lib/service/; fi
done
python3 -c 'compile(open("/usr/lib/service/web.py").read(), "web.py", "exec")'

install -D -m 0755 service-start /usr/local/lib/immtf/service-start
install -m 0644 etcd.service web.service /etc/systemd/system/
systemctl enable immtf-volume@data.service etcd.service web.service
