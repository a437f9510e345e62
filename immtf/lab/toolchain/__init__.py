"""The real tools that a lab needs: Terraform or OpenTofu, the AWS provider, Consul, and etcd where it can be had.

Each tool is looked for on the machine first, wherever its own users put it, and only then fetched: in the one version named in
`pins`, checked against its SHA-256, once, into a cache that runs side by side may share. What fits is decided by the tool's own
answer to `version`, never by a file's name alone.

- `programs` looks for Terraform, OpenTofu, Consul and etcd, `mirrors` for the provider.
- `wheel` (or else `registry`) fetches the provider, `debian` fetches Consul and etcd; nothing needs root. Terraform itself is not
  fetched: it is the one tool that a user of immtf is bound to have.
- `cache` makes a thing whole or not at all.
- `chain` puts them together: `Toolchain.find` never fails and is what `immtf doctor` shows; `Toolchain.ready` fetches what is
  missing, or raises `ToolMissing` that names every way to get it.

Registries are never named here: pip and apt know theirs from the machine's own configuration.
"""

from __future__ import annotations

from immtf.lab.toolchain.cache import Cache, cache_directory
from immtf.lab.toolchain.chain import ALL, CLIENTS, Toolchain
from immtf.lab.toolchain.found import AWS, CONSUL, ETCD, TERRAFORM, Found, Tools

__all__ = ["ALL", "AWS", "CLIENTS", "CONSUL", "ETCD", "TERRAFORM", "Cache", "Found", "Toolchain", "Tools", "cache_directory"]
