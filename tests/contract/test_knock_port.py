"""The `Knock` port: the same cases on the simulation's fake, and on real sockets; and whatever a server may do to a client."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from immtf.adapters.knock import Network
from tests.contract.consul_standin import Script, standin
from tests.fakes.service import FakeKnock
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.run.ports import Knock

ADDRESS, DEAD = "127.77.2.11", "127.77.2.12"
LIMIT_S = 30.0


class Bench(Protocol):
    """One server that answers 200 with `ok`, and an address where nobody listens."""

    knock: Knock
    port: int
    up: str
    down: str


class FakeBench:
    """The simulation."""

    def __init__(self) -> None:
        sim = make_scene(3).sim
        sim.kill_server("b")
        self.knock: Knock = FakeKnock(sim)
        self.port, self.up, self.down = 8500, sim.address("a"), sim.address("b")


class NetBench:
    """Real sockets."""

    def __init__(self, port: int) -> None:
        self.knock: Knock = Network()
        self.port, self.up, self.down = port, ADDRESS, DEAD


@pytest.fixture(params=["fake", "net"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
        return
    with standin(ADDRESS) as servers:
        servers.scripts[ADDRESS, "/health"] = Script("all is ok")
        yield NetBench(servers.port)


def test_a_page_that_answers(bench: Bench) -> None:
    url = f"http://{bench.up}:{bench.port}/health"
    for contains in (None, "ok"):
        verdict = bench.knock.http(url, status=200, contains=contains, timeout_s=LIMIT_S)
        assert verdict.held
        assert url in verdict.reason


def test_a_page_that_answers_otherwise(bench: Bench) -> None:
    url = f"http://{bench.up}:{bench.port}/health"
    assert not bench.knock.http(url, status=204, contains=None, timeout_s=LIMIT_S).held
    assert not bench.knock.http(url, status=200, contains="no such text", timeout_s=LIMIT_S).held


def test_a_port_that_takes_connections_and_one_that_does_not(bench: Bench) -> None:
    assert bench.knock.tcp(bench.up, bench.port, timeout_s=LIMIT_S).held
    for address, port in ((bench.down, bench.port), (bench.up, 9)):
        verdict = bench.knock.tcp(address, port, timeout_s=LIMIT_S)
        assert not verdict.held
        assert verdict.reason.startswith(f"{address}:{port}")


def test_a_page_where_nobody_listens(bench: Bench) -> None:
    verdict = bench.knock.http(f"http://{bench.down}:{bench.port}/health", status=200, contains=None, timeout_s=LIMIT_S)
    assert not verdict.held
    assert verdict.reason


@pytest.mark.parametrize("status", [301, 404, 429, 503])
def test_any_status_may_be_wanted(status: int) -> None:
    """A redirect is an answer too: it is not followed to a page that says 200."""
    with standin(ADDRESS) as servers:
        servers.scripts[ADDRESS, "/health"] = Script("sealed", status)
        url = f"http://{ADDRESS}:{servers.port}/health"
        assert Network().http(url, status=status, contains="sealed", timeout_s=LIMIT_S).held
        assert Network().http(url, status=200, contains=None, timeout_s=LIMIT_S).reason == f"{url} answers {status}, wanted 200"


@contextmanager
def raw(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection in any way at all."""
    listener = socket.create_server((ADDRESS, 0))

    def serve() -> None:
        with listener, listener.accept()[0] as taken:
            taken.settimeout(LIMIT_S)
            taken.recv(4096)
            try:
                act(taken)
            except OSError:  # who asked has gone
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://{ADDRESS}:{listener.getsockname()[1]}/"
    thread.join(LIMIT_S)


def trickle(taken: socket.socket) -> None:
    taken.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    for _ in range(100):
        taken.sendall(b"x")
        time.sleep(0.05)


def trickling_head(taken: socket.socket) -> None:
    taken.sendall(b"HTTP/1.0 200 OK\r\n")
    for number in range(100):
        taken.sendall(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


@pytest.mark.parametrize(
    "act",
    [
        lambda taken: taken.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda taken: taken.sendall(b""),
        lambda taken: taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        lambda taken: taken.sendall(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        lambda _taken: time.sleep(5),
        trickle,
        trickling_head,
    ],
    ids=["another protocol", "nothing", "cut off", "broken chunks", "silence", "a trickle without end", "a head without end"],
)
def test_whatever_a_server_does_is_a_reason_and_takes_its_limit_at_most(act: Callable[[socket.socket], None]) -> None:
    with raw(act) as url:
        start = time.monotonic()
        verdict = Network().http(url, status=200, contains="wanted", timeout_s=0.5)
        assert time.monotonic() - start < 4.0
    assert not verdict.held
    assert verdict.reason.startswith(url)


ASK = """
from immtf.adapters.knock import Network
verdict = Network().http({url!r}, status=200, contains="ok", timeout_s=5.0)
print(verdict.held, verdict.reason)
"""


def test_an_instance_is_asked_itself_and_not_the_user_s_proxy() -> None:
    """A proxy can't reach a private address, or reaches another one, and its own error page is an answer too."""
    with standin(ADDRESS) as servers:
        servers.scripts[ADDRESS, "/health"] = Script("all is ok")
        url = f"http://{ADDRESS}:{servers.port}/health"
        environment = {"http_proxy": f"http://{DEAD}:9", "HTTP_PROXY": f"http://{DEAD}:9", "all_proxy": f"http://{DEAD}:9"}
        done = subprocess.run(
            [sys.executable, "-c", ASK.format(url=url)], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout == f"True {url} answers 200\n"


def test_a_page_behind_a_certificate_that_nobody_trusts() -> None:
    with raw(lambda taken: taken.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")) as url:
        verdict = Network().http(url.replace("http://", "https://"), status=200, contains=None, timeout_s=LIMIT_S)
    assert not verdict.held
    assert "SSL" in verdict.reason


@pytest.mark.parametrize("url", ["http://", "no-url", "http://127.77.2.11:port/", "http://127.77.2.11:9/with blank"])
def test_a_url_that_can_not_be_asked_is_a_reason(url: str) -> None:
    verdict = Network().http(url, status=200, contains=None, timeout_s=LIMIT_S)
    assert not verdict.held
    assert verdict.reason
