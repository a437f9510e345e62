#!/bin/bash
# Consul's program, out of a Debian package or as it is. Its checksum is one of the pins, and it says the pinned version.
set -euo pipefail
package=/tmp/immtf-build/consul-package
program=/usr/local/bin/consul

if [ ! -s "$package" ]; then
  echo "consul_package is not given: -var consul_package=PATH, Consul $CONSUL_VERSION as .deb or program" >&2
  exit 1
fi
sum=$(sha256sum "$package" | cut -d ' ' -f 1)
case " $CONSUL_SHA256 " in
  *" $sum "*) ;;
  *)
    echo "consul_package has sha256 $sum; pins.json has $CONSUL_SHA256" >&2
    exit 1
    ;;
esac

if [ "$(head -c 7 "$package")" = '!<arch>' ]; then
  dpkg-deb --extract "$package" /tmp/immtf-build/unpacked
  package=/tmp/immtf-build/unpacked/usr/bin/consul
fi
install -m 0755 "$package" "$program"
told=$("$program" version) told=${told%%$'\n'*}
[[ $told =~ ^Consul\ v?"$CONSUL_VERSION"($|[^0-9.]) ]] || { echo "$program says $told, not $CONSUL_VERSION" >&2; exit 1; }
