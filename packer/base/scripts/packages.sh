#!/bin/bash
# The pinned packages. IMMTF_PACKAGES: name=version, where a version may end in *; what is there in a right version is left alone.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

is_right() { # NAME PATTERN
  local status version
  read -r status version < <(dpkg-query --show --showformat='${db:Status-Abbrev} ${Version}\n' "$1" 2>/dev/null) || return 1
  # shellcheck disable=SC2053 # the pin is a pattern
  [[ $status == ii && $version == $2 ]]
}

wanted=()
for pin in $IMMTF_PACKAGES; do
  name=${pin%%=*} version=${pin#*=}
  if is_right "$name" "$version"; then continue; fi
  if [[ $version == '*' ]]; then wanted+=("$name"); else wanted+=("$pin"); fi
done

if ((${#wanted[@]})); then
  echo "installs ${wanted[*]}"
  # Nothing is started in a container that is only built.
  if [ ! -d /run/systemd/system ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
  fi
  apt-get -q -o Acquire::Retries=3 update
  apt-get -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends --allow-downgrades "${wanted[@]}"
fi

for pin in $IMMTF_PACKAGES; do
  is_right "${pin%%=*}" "${pin#*=}" || { echo "${pin%%=*} is not there in version ${pin#*=}: see pins.json" >&2; exit 1; }
done

# An image is what was tested: nothing in it changes by itself.
systemctl mask apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service
