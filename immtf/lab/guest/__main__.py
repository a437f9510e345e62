"""The door to the programs of this package, by the name that comes first."""

from __future__ import annotations

import sys


def main(name: str, arguments: list[str]) -> int:
    """Run a program of this package; the shims are called often, so they don't load the init."""
    if name == "shims":
        from immtf.lab.guest import shims

        return shims.main(arguments)
    from immtf.lab.guest import init

    return init.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
