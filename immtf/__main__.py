"""`python -m immtf` and the program `immtf`."""

from __future__ import annotations

from immtf.cli import main

if __name__ == "__main__":
    main()
