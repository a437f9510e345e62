"""Docker's engine, through its SDK: the `Containers` port, and the building of a block's own image.

- `connection` finds the engine and puts its errors into words; every call has a time limit.
- `engine` runs containers, `output` gathers what they say, `own` knows the container that this very process runs in, if it does.
- `block_image` builds an image from a block's directory.

The SDK is an extra (`immtf[docker]`); it is imported here when an engine is asked for, and nowhere else but in the lab.
"""

from __future__ import annotations

from immtf.adapters.docker.connection import connect
from immtf.adapters.docker.engine import DockerEngine

__all__ = ["DockerEngine", "connect"]
