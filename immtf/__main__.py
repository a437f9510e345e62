"""`python -m immtf` and the program `immtf`."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line; as the first process of a container under a minimal init."""
    from immtf.cli import main as command_line

    if os.getpid() == 1:
        from immtf.adapters.init import run_under

        raise SystemExit(run_under(command_line))
    command_line()


if __name__ == "__main__":
    main()
