"""What servers may do to who asks them over HTTP: whatever it is, it is a reason, in time, and never taken for healthy."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul import ConsulService
from immtf.errors import CloudFailed
from immtf.model.service import Peer
from immtf.plan.quorum import judge_spare, judge_whole
from tests.contract.consul_standin import HANG_S, HEALTH, LEADER, RAFT, TRANSFER, Script, standin
from tests.contract.service_benches import GHOST, NODES, A, B, C, HttpBench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def http() -> Iterator[HttpBench]:
    with standin("127.77.3.11", "127.77.3.12", "127.77.3.13") as servers:
        yield HttpBench(servers)


DENIED = "rpc error: Permission denied"
HTML = "<html><body>Sign in to the proxy"
SICK = {"ID": "x", "Healthy": "false", "LastIndex": 5}
STRANGE = [
    (LEADER, Script(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999, drip_s=0.012), "the answer did not end in time"),
    (LEADER, Script(raw=b"HTTP/1.1 200 OK\r\nX: y" + b"y" * 99, drip_s=0.12), "no answer in time"),
    (LEADER, Script(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 99, drip_s=0.02), "no answer in time"),
    (LEADER, Script(raw=b"SSH-2.0-OpenSSH\r\n"), "answers what is no HTTP, or cut off (BadStatusLine)"),
    (LEADER, Script(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"half'), "answers what is no HTTP, or cut off (IncompleteRead)"),
    (LEADER, Script(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000), "answers what Consul would not (maximum recursion"),
    (LEADER, Script(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"7" * 20_000_000), "answers more than 16 MB"),
    (LEADER, Script(None), "answers what Consul would not (it is NoneType, wanted str)"),
    (LEADER, Script("", 301, location="http://127.77.3.12/"), "answers 301 (a redirect, which is not followed)"),
    (LEADER, Script(DENIED, 500), "answers 500"),
    (RAFT, Script(HTML), f"answers what is not JSON: {HTML}"),
    (RAFT, Script('{"Servers": [{"ID": "x", '), "answers what is not JSON"),
    (RAFT, Script({"Servers": {"ID": "x"}}), "answers what Consul would not (Servers is dict, wanted list)"),
    (RAFT, Script({"Servers": [{"ID": 7}]}), "answers what Consul would not (ID is int, wanted str)"),
    (RAFT, Script({"Servers": [{"ID": "x", "Address": "a:1", "Voter": "no"}]}), "(Voter is str, wanted bool)"),
    (RAFT, Script(DENIED, 403), f"wants a token, and CONSUL_HTTP_TOKEN is empty (403: {DENIED})"),
    (HEALTH, Script("rate limit", 429), "answers what is not JSON: rate limit"),
    (HEALTH, Script({"Servers": [{**SICK, "ID": "id-127.77.3.11", "LastIndex": True}]}), "(LastIndex is bool, wanted int)"),
    (HEALTH, Script({"Servers": [{**SICK, "ID": "id-127.77.3.11"}]}), "(Healthy is str, wanted bool)"),
]


@pytest.mark.parametrize(("path", "script", "reason"), STRANGE, ids=[reason for _, _, reason in STRANGE])
def test_whatever_servers_answer_is_a_reason_within_the_limit(http: HttpBench, path: str, script: Script, reason: str) -> None:
    """F34: hanging, dripping, garbage, half an answer, other types, too much, errors, a redirect, no rights: unknown is unhealthy."""
    limit_s = 1.0 if script.hang_s or script.drip_s else 20.0  # all others aren't about time, and a busy machine takes its own
    http.gate = replace(http.gate, timeout_s=limit_s)
    for address in http.addresses.values():
        http.servers.scripts[address, path] = script
    start = time.monotonic()
    view = http.service.view(http.gate, http.addresses)
    assert time.monotonic() - start < limit_s + 8.0, "it dripped or hung for longer"
    told = view.answers[A].problem if path == LEADER else view.problem
    assert reason in told
    assert not judge_whole(view, 3).held
    assert not judge_spare(view, A).held


def test_a_view_that_hangs_everywhere_costs_one_limit(http: HttpBench) -> None:
    """F34: whatever hangs, and however often: the time of a question is that of all its calls."""
    http.gate = replace(http.gate, timeout_s=0.6)
    http.servers.scripts[http.addresses[C], LEADER] = Script("x", hang_s=HANG_S)
    for address in http.addresses.values():
        http.servers.scripts[address, RAFT] = Script("x", hang_s=HANG_S)
    start = time.monotonic()
    view = http.service.view(http.gate, http.addresses)
    assert time.monotonic() - start < 5.0
    assert view.problem == f"no server tells the Raft configuration; {http.addresses[A]}, {http.addresses[B]}: no answer in time"


@pytest.mark.parametrize(
    ("body", "status"),
    [("<html>", 200), ("", 200), ([], 200), ({"Servers": [{"ID": "x"}]}, 200), ({"Servers": None}, 200), ("denied", 403), ("oops", 500)],
)
@pytest.mark.parametrize("path", [RAFT, HEALTH])
def test_what_can_not_be_read_is_unknown(http: HttpBench, path: str, body: object, status: int) -> None:
    for address in http.addresses.values():
        http.servers.scripts[address, path] = Script(body, status)
    view = http.service.view(http.gate, http.addresses)
    assert view.problem.startswith("no server tells the Raft configuration")
    assert view.peers == ()


@pytest.mark.parametrize("body", [None, 17, ["a"], {"Leader": "x"}, "without a port", ":8300"])
def test_a_leader_that_can_not_be_read_is_nobody(http: HttpBench, body: object) -> None:
    for address in http.addresses.values():
        http.servers.scripts[address, LEADER] = Script(body)
    assert http.service.view(http.gate, http.addresses).leader() is None


def test_a_server_that_hangs_costs_its_limit_and_no_more(http: HttpBench) -> None:
    http.gate = replace(http.gate, timeout_s=2.0)
    for node in (B, C):
        http.servers.scripts[http.addresses[node], LEADER] = Script("x", hang_s=HANG_S)
    start = time.monotonic()
    view = http.service.view(http.gate, http.addresses)
    assert time.monotonic() - start < HANG_S
    assert [view.answers[node].problem for node in NODES] == ["", "no answer in time", "no answer in time"]


@pytest.mark.parametrize(
    ("environment", "token_env", "token"),
    [
        ({}, None, ""),
        ({"CONSUL_HTTP_TOKEN": "general"}, None, "general"),
        ({"CONSUL_HTTP_TOKEN": "general", "MINE": "special"}, "MINE", "special"),
        ({"CONSUL_HTTP_TOKEN": "general"}, "MINE", ""),
        ({"MINE": "special\n"}, "MINE", "special"),
    ],
)
def test_the_token_that_is_meant_goes_along_with_every_question(
    http: HttpBench, environment: dict[str, str], token_env: str | None, token: str
) -> None:
    service, gate = ConsulService(environment), replace(http.gate, token_env=token_env)
    service.view(gate, http.addresses)
    service.hand_over(gate, http.addresses[A], http.addresses[B])
    assert {path for _, _, path, _ in http.servers.asked} == {LEADER, RAFT, HEALTH, TRANSFER}
    assert {sent for _, _, _, sent in http.servers.asked} == {token}


def test_what_is_no_token_is_told_and_never_shown(http: HttpBench) -> None:
    """F49: a header can't hold it, and the library of headers would tell it whole."""
    service, gate = ConsulService({"MINE": "s3cr3t\ntoken"}), replace(http.gate, token_env="MINE")
    assert service.view(gate, http.addresses).problem.startswith("MINE holds what is no token")
    with pytest.raises(CloudFailed, match="MINE holds what is no token") as caught:
        service.hand_over(gate, http.addresses[A], http.addresses[B])
    assert "s3cr3t" not in str(caught.value)


ASK = """
import os
from immtf.adapters.consul import ConsulService
from immtf.adapters.consul_kv import ConsulKv
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
gate = ConsulGate(port={port}, token_env="MINE")
print(ConsulService(os.environ).view(gate, {{NodeId("server", "a"): {address!r}}}).problem)
print(ConsulKv(gate, [{address!r}], os.environ).put("k", "v"))
"""


def test_the_process_s_own_environment_does_not_come_in_between(http: HttpBench) -> None:
    """The client library would prefer CONSUL_HTTP_TOKEN to any token it is given, and go through a proxy to private addresses."""
    environment = {"CONSUL_HTTP_TOKEN": "general", "MINE": "special", "http_proxy": "http://127.0.0.1:9", "HOME": "/nowhere"}
    script = ASK.format(port=http.gate.port, address=http.addresses[A])
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\nTrue\n"
    assert {sent for _, _, _, sent in http.servers.asked} == {"special"}


def test_a_token_that_is_denied_is_told_and_never_shown(http: HttpBench) -> None:
    """F49: also where the server says the token back."""
    service, gate = ConsulService({"MINE": "s3cr3t-token"}), replace(http.gate, token_env="MINE")
    for address in http.addresses.values():
        http.servers.scripts[address, RAFT] = Script("no such token: s3cr3t-token", 403)
    assert "denies the token in MINE (403: no such token: ***)" in service.view(gate, http.addresses).problem
    peer = Peer("id-x", GHOST, voter=True, healthy=False, lag=None)
    for refused in (
        lambda: service.hand_over(gate, http.addresses[A], http.addresses[B]),
        lambda: service.remove_peer(gate, http.addresses[A], peer),
    ):
        with pytest.raises(CloudFailed, match="denies the token in MINE") as caught:
            refused()
        assert "s3cr3t" not in str(caught.value)
