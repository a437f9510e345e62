"""What servers may do to who asks them for etcd's answers: whatever it is, it is a reason, in time, and never taken for healthy."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.etcd import EtcdService
from immtf.adapters.etcd_kv import EtcdKv
from immtf.errors import CloudFailed
from immtf.plan.quorum import judge_removal, judge_spare, judge_whole, stale_peers
from tests.contract.consul_standin import HANG_S, Script
from tests.contract.etcd_benches import EtcdHttpBench
from tests.contract.etcd_standin import ALARM, LIST, METRICS, NOT_FOUND, PUT, REMOVE, STATUS, TRANSFER, etcd_standin, refusal
from tests.contract.service_benches import GHOST, NODES, A, B, C

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def etcd() -> Iterator[EtcdHttpBench]:
    with etcd_standin("127.77.5.11", "127.77.5.12", "127.77.5.13") as servers:
        yield EtcdHttpBench(servers)


HTML = "<html><body>Sign in to the proxy"
EMPTY_USER = refusal(400, "etcdserver: user name is empty", 3)
STRANGE = [
    (STATUS, Script(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999, drip_s=0.012), "the answer did not end in time"),
    (STATUS, Script(raw=b"HTTP/1.1 200 OK\r\nX: y" + b"y" * 99, drip_s=0.12), "no answer in time"),
    (STATUS, Script(raw=b"SSH-2.0-OpenSSH\r\n"), "answers what is no HTTP, or cut off (BadStatusLine)"),
    (STATUS, Script(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000), "answers what etcd would not (maximum recursion"),
    (STATUS, Script(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"7" * 20_000_000), "answers more than 16 MB"),
    (STATUS, Script(HTML), f"answers what is not JSON: {HTML}"),
    (STATUS, Script(None), "answers what etcd would not (it is NoneType, wanted dict)"),
    (STATUS, Script({}), "answers what etcd would not (no header)"),
    (STATUS, Script("", 301, location="http://127.77.5.12/"), "answers 301: a redirect, which is not followed"),
    (STATUS, Script("oops", 500), "answers 500: oops"),
    (STATUS, Script("", 502), "answers 502"),
    (STATUS, NOT_FOUND, "no JSON gateway is at /v3: a server with a configuration file has one with `enable-grpc-gateway: true`"),
    (LIST, Script({"members": []}), "answers what etcd would not (no members)"),
    (LIST, EMPTY_USER, "wants a user, and ETCDCTL_USER is empty (400: etcdserver: user name is empty)"),
    (ALARM, refusal(500, "context deadline exceeded", 2), "answers 500: context deadline exceeded"),
    (ALARM, Script("null"), "it is NoneType, wanted dict"),
    (ALARM, Script({"alarms": [{"memberID": "1", "alarm": "LATER"}]}), "etcd raises the alarm LATER of a member that is gone (1)"),
]


@pytest.mark.parametrize(("path", "script", "reason"), STRANGE, ids=[f"{path[4:]} {reason[:40]}" for path, _, reason in STRANGE])
def test_whatever_servers_answer_is_a_reason_within_the_limit(etcd: EtcdHttpBench, path: str, script: Script, reason: str) -> None:
    """F34: hanging, dripping, garbage, other types, too much, errors, a redirect, no rights: unknown is unhealthy."""
    limit_s = 1.0 if script.drip_s else 20.0
    etcd.gate = replace(etcd.gate, timeout_s=limit_s)
    for address in etcd.addresses.values():
        etcd.servers.scripts[address, path] = script
    start = time.monotonic()
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert time.monotonic() - start < limit_s + 8.0, "it dripped or hung for longer"
    assert reason in (view.problem if path == ALARM else view.answers[A].problem)
    assert not judge_whole(view, 3).held
    assert not judge_spare(view, A).held


def test_servers_that_hang_cost_one_limit(etcd: EtcdHttpBench) -> None:
    """F34: whatever hangs, and however often: the time of a question is that of all its calls."""
    etcd.gate = replace(etcd.gate, timeout_s=0.8)
    etcd.servers.scripts[etcd.addresses[C], STATUS] = Script({}, hang_s=HANG_S)
    for address in etcd.addresses.values():
        etcd.servers.scripts[address, ALARM] = Script({}, hang_s=HANG_S)
    start = time.monotonic()
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert time.monotonic() - start < 5.0
    assert view.answers[C].problem == "no answer in time"
    assert view.problem == "no server tells the alarms" + "".join(f"; {etcd.addresses[node]}: no answer in time" for node in (A, B))


def test_the_leader_is_asked_first_for_all_and_the_next_one_where_it_does_not_tell(etcd: EtcdHttpBench) -> None:
    etcd.servers.leader = etcd.addresses[C]
    etcd.service.view(etcd.gate, etcd.addresses)
    assert [address for address, _, path, _ in etcd.servers.asked if path == ALARM] == [etcd.addresses[C]]
    etcd.servers.scripts[etcd.addresses[C], ALARM] = Script("oops", 500)
    assert judge_whole(etcd.service.view(etcd.gate, etcd.addresses), 3).held


def test_a_question_is_one_entry_of_the_log_and_changes_nothing_else(etcd: EtcdHttpBench) -> None:
    before = etcd.servers.committed
    etcd.service.view(etcd.gate, etcd.addresses)
    assert etcd.servers.committed == before + 1
    assert {method for _, method, path, _ in etcd.servers.asked if path != METRICS} == {"POST"}
    assert {path for _, _, path, _ in etcd.servers.asked} == {STATUS, LIST, ALARM, METRICS}


def test_alarms_and_learners_are_told(etcd: EtcdHttpBench) -> None:
    etcd.servers.learners.add(etcd.addresses[C])
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert (view.problem, view.leader()) == ("", A)
    assert "server/c does not vote yet" in judge_whole(view, 3).reason
    etcd.servers.alarms[etcd.addresses[B]] = "NOSPACE"
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert view.problem == f"etcd raises the alarm NOSPACE of {etcd.addresses[B]}"


def test_a_stale_member_that_the_leader_is_connected_to_is_left_alone(etcd: EtcdHttpBench) -> None:
    """F29: only who is certainly dead is struck out: not one that a leader knows of, nor any while it has just started."""
    etcd.haunt()
    etcd.servers.age_s = 3.0
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert [judge_removal(view, peer).held for peer in stale_peers(view)] == [False]
    etcd.servers.age_s = 600.0
    view = etcd.service.view(etcd.gate, etcd.addresses)
    assert [judge_removal(view, peer).held for peer in stale_peers(view)] == [True]
    for script in (Script("", 404), Script("garbage"), Script("x", 500)):
        for address in etcd.addresses.values():
            etcd.servers.scripts[address, METRICS] = script
        view = etcd.service.view(etcd.gate, etcd.addresses)
        assert (view.problem, [judge_removal(view, peer).held for peer in stale_peers(view)]) == ("", [False])


def test_a_removal_that_is_refused_or_does_nothing_is_an_error(etcd: EtcdHttpBench) -> None:
    etcd.haunt()
    (peer,) = stale_peers(etcd.service.view(etcd.gate, etcd.addresses))
    etcd.servers.scripts[etcd.addresses[B], REMOVE] = refusal(503, "etcdserver: unhealthy cluster", 14)
    with pytest.raises(CloudFailed, match=r"did not remove the member .*503: etcdserver: unhealthy cluster"):
        etcd.service.remove_peer(etcd.gate, etcd.addresses[B], peer)
    etcd.servers.scripts[etcd.addresses[B], REMOVE] = Script({})
    with pytest.raises(CloudFailed, match="was removed and is still there"):
        etcd.service.remove_peer(etcd.gate, etcd.addresses[B], peer)


def test_a_hand_over_is_asked_of_the_leader_and_for_a_voter(etcd: EtcdHttpBench) -> None:
    with pytest.raises(CloudFailed, match="412: etcdserver: not leader"):
        etcd.service.hand_over(etcd.gate, etcd.addresses[B], etcd.addresses[C])
    etcd.servers.learners.add(etcd.addresses[C])
    with pytest.raises(CloudFailed, match=f"no voter at {etcd.addresses[C]}"):
        etcd.service.hand_over(etcd.gate, etcd.addresses[A], etcd.addresses[C])
    assert [path for _, _, path, _ in etcd.servers.asked if path == TRANSFER] == [TRANSFER]


LOGIN = "/v3/auth/authenticate"


def test_a_token_is_asked_for_when_a_server_wants_one_and_kept(etcd: EtcdHttpBench) -> None:
    service = EtcdService({"ETCDCTL_USER": "root:s3cret:word"})
    service.view(etcd.gate, etcd.addresses)
    assert not [path for _, _, path, _ in etcd.servers.asked if path == LOGIN]
    etcd.servers.scripts[etcd.addresses[A], ALARM] = EMPTY_USER
    etcd.servers.scripts[etcd.addresses[A], LOGIN] = Script({"token": "tok.1"})
    etcd.servers.asked.clear()
    service.view(etcd.gate, etcd.addresses)
    assert [path for _, _, path, _ in etcd.servers.asked].count(LOGIN) == 1
    assert [token for address, _, path, token in etcd.servers.asked if (address, path) == (etcd.addresses[A], ALARM)] == ["", "tok.1"]
    service.view(etcd.gate, etcd.addresses)
    assert {token for _, _, path, token in etcd.servers.asked[-3:]} == {"tok.1"}


@pytest.mark.parametrize("answer", [Script({}), Script({"token": 7}), Script({"token": "a\nb"}), Script("<html>"), Script("", 500)])
def test_a_login_that_fails_is_a_reason(etcd: EtcdHttpBench, answer: Script) -> None:
    for node in NODES:
        etcd.servers.scripts[etcd.addresses[node], ALARM] = EMPTY_USER
        etcd.servers.scripts[etcd.addresses[node], LOGIN] = answer
    view = EtcdService({"ETCDCTL_USER": "root:s3cret"}).view(etcd.gate, etcd.addresses)
    assert view.problem.startswith("no server tells the alarms; ")
    assert not judge_whole(view, 3).held


def test_a_password_that_is_denied_is_told_and_never_shown(etcd: EtcdHttpBench) -> None:
    """F49: nor the token, whoever repeats them."""
    denied = refusal(400, "etcdserver: authentication failed, invalid user ID or password s3cret", 3)
    for node in NODES:
        etcd.servers.scripts[etcd.addresses[node], ALARM] = EMPTY_USER
        etcd.servers.scripts[etcd.addresses[node], LOGIN] = denied
    view = EtcdService({"MINE": "root", "ETCDCTL_PASSWORD": "s3cret\n"}).view(replace(etcd.gate, user_env="MINE"), etcd.addresses)
    assert "denies the user in MINE (400: etcdserver: authentication failed, invalid user ID or password ***)" in view.problem


@pytest.mark.parametrize("said", ["root", "root:", ":word", "root:a\nb"])
def test_what_is_no_user_is_told_and_never_shown(etcd: EtcdHttpBench, said: str) -> None:
    service = EtcdService({"MINE": said})
    gate = replace(etcd.gate, user_env="MINE")
    view = service.view(gate, etcd.addresses)
    assert view.problem.startswith("MINE does not hold `user:password`")
    assert {answer.problem for answer in view.answers.values()} == {"not asked"}
    assert etcd.servers.asked == []
    with pytest.raises(CloudFailed, match="MINE does not hold"):
        service.hand_over(gate, etcd.addresses[A], etcd.addresses[B])
    with pytest.raises(CloudFailed, match="MINE does not hold"):
        EtcdKv(gate, [GHOST], {"MINE": said})


def test_a_full_store_takes_no_write(etcd: EtcdHttpBench) -> None:
    store = EtcdKv(etcd.gate, list(etcd.addresses.values()), {})
    etcd.servers.alarms[etcd.addresses[B]] = "NOSPACE"
    assert store.put("p/1", "one") is False
    etcd.servers.alarms.clear()
    for answer in (Script({}), Script({"header": {"cluster_id": "1"}}), Script([]), Script("")):
        for address in etcd.addresses.values():
            etcd.servers.scripts[address, PUT] = answer
        assert store.put("p/1", "one") is False
