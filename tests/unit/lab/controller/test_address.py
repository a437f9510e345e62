"""The lab's address: a network of loopback of its own, on which nobody else listens."""

from __future__ import annotations

import socket

import pytest

from immtf.errors import LabFailed
from immtf.lab.address import claim


def test_an_address_that_is_taken_is_passed_over() -> None:
    with socket.create_server(("127.2.0.1", 0)) as taken:
        number, listener = claim(taken.getsockname()[1])
    with listener:
        assert number == 3
        assert listener.getsockname()[0] == "127.3.0.1"


def test_a_wildcard_listener_is_named() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LabFailed, match=f"port {port} is taken on every address") as failed:
            claim(port)
    assert f"0.0.0.0:{port} has to be stopped" in failed.value.next
