"""The runtime `process`: instances are supervised process groups on loopback addresses, volumes and images are directories.

Needs neither root nor a container engine, and Linux only. `runtime` is the port's implementation; `machine` is one running guest;
`volumes` and `images` are what is on disk. What runs inside a guest is in `immtf.lab.guest`.
"""

from immtf.lab.process.runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
