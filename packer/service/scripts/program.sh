#!/bin/bash
# etcd's program, out of Debian's package or as it is. Its checksum is one of the pins, and it says the pinned version.
set -euo pipefail
package=/tmp/immtf-build/etcd-package
program=/usr/local/bin/etcd

# Debian has it, so what isn't given is fetched: the very build of the pins, whose units and user are not wanted here.
if [ ! -s "$package" ]; then
  apt-get -q -o Acquire::Retries=3 update
  (cd /tmp/immtf-build && apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download "etcd-server=$ETCD_BUILD") || {
    echo "apt has no etcd-server $ETCD_BUILD; give it: -var etcd_package=PATH, as .deb or program" >&2
    exit 1
  }
  mv /tmp/immtf-build/etcd-server_*.deb "$package"
fi
sum=$(sha256sum "$package" | cut -d ' ' -f 1)
case " $ETCD_SHA256 " in
  *" $sum "*) ;;
  *)
    echo "etcd_package has sha256 $sum; pins.json has $ETCD_SHA256" >&2
    exit 1
    ;;
esac

if [ "$(head -c 7 "$package")" = '!<arch>' ]; then
  dpkg-deb --extract "$package" /tmp/immtf-build/unpacked
  package=/tmp/immtf-build/unpacked/usr/bin/etcd
fi
install -m 0755 "$package" "$program"
told=$("$program" --version) told=${told%%$'\n'*}
[ "$told" = "etcd Version: $ETCD_VERSION" ] || { echo "$program says $told, not $ETCD_VERSION" >&2; exit 1; }
