"""`python -m immtf.lab.toolchain providers|consul|etcd DIRECTORY`, for a container's build. Needs no more of immtf than this package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from immtf.errors import ToolMissing
from immtf.lab.toolchain.baking import bake_consul, bake_etcd, bake_providers
from immtf.lab.toolchain.found import DEFAULT_RUN
from immtf.lab.toolchain.pins import PINS


def main(what: str, into: Path) -> int:
    """Lay the tools down in a new directory; return the exit code."""
    bake = {"providers": bake_providers, "consul": bake_consul, "etcd": bake_etcd}[what]
    try:
        said = bake(into, PINS, environment=os.environ, run=DEFAULT_RUN)
    except ToolMissing as error:
        sys.stderr.write(f"immtf: {error}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
