"""Which part of the loopback network a lab owns: 127.N.0.0/16, claimed by listening on 127.N.0.1:4566.

Whoever can bind the address owns the network, until it closes the socket or dies: nothing has to be written down or cleaned up, and
several labs run side by side.
"""

from __future__ import annotations

import errno
import socket

from immtf.errors import LabFailed

PORT = 4566
NUMBERS = range(2, 251)
_BACKLOG = 128


def claim(port: int = PORT) -> tuple[int, socket.socket]:
    """Claim the first free network: its N, and the listening socket that holds it. None free: `LabFailed`."""
    for number in NUMBERS:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((f"127.{number}.0.1", port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
        else:
            return number, listener
    raise LabFailed(
        f"port {port} is taken on every address 127.{NUMBERS[0]}.0.1 to 127.{NUMBERS[-1]}.0.1",
        where=f"127.{NUMBERS[0]}.0.1:{port}",
        next=f"see `ss -ltnp 'sport = :{port}'`: something that listens on 0.0.0.0:{port} has to be stopped",
    )
