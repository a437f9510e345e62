#!/bin/bash
# The SSM agent, where its package was given; it has to be the pinned one.
set -euo pipefail
package=/tmp/immtf-build/ssm-agent.deb

if [ ! -s "$package" ]; then exit 0; fi
if [ -z "$IMMTF_SSM_SHA256" ]; then
  echo "ssm_agent.sha256.package is empty in pins.json: put the package's sha256 there" >&2
  exit 1
fi
echo "$IMMTF_SSM_SHA256  $package" | sha256sum --check --strict --quiet
dpkg --install "$package"
systemctl enable amazon-ssm-agent.service
