"""What is made of etcd's answers: recorded ones of real servers, and what might become of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from immtf.adapters import etcd_answers
from immtf.model.names import NodeId
from immtf.model.service import Answer
from immtf.plan.quorum import judge_removal, judge_spare, judge_whole, stale_peers
from tests.unit.adapters.etcd_recorded import ADDRESSES, ALARM, LEARNER, LIST, STATUS, A, B, C, connections_of, recorded, said_by, view_of


def told_of(record: dict[str, Any]) -> str:
    """Return why the recorded cluster is not whole."""
    verdict = judge_whole(view_of(record), 3)
    assert not verdict.held
    return verdict.reason


def test_a_whole_cluster() -> None:
    view = view_of(recorded("whole"))
    assert (view.problem, view.leader()) == ("", A)
    assert [(peer.voter, peer.healthy) for peer in view.peers] == [(True, True)] * 3
    assert judge_whole(view, 3).held
    assert all(judge_spare(view, node).held for node in ADDRESSES)
    assert not judge_whole(view, 5).held


def test_one_that_is_down_is_unhealthy_as_the_leader_has_no_connection_to_it() -> None:
    view = view_of(recorded("one-down"))
    peer = view.peer(C)
    assert peer is not None
    assert (peer.healthy, peer.lag) == (False, None)
    assert view.answers[C].problem == "can't be connected to"
    assert not judge_whole(view, 3).held
    assert (judge_spare(view, C).held, judge_spare(view, B).held) == (True, False)


def test_one_that_the_leader_is_connected_to_and_that_does_not_answer_is_unknown() -> None:
    """F34: it may be the road to it that is cut: nobody is called dead who may live."""
    record = recorded("whole")
    del record["127.78.9.13"]
    peer = view_of(record).peer(C)
    assert peer is not None
    assert peer.healthy is None
    assert not judge_whole(view_of(record), 3).held


def test_without_a_majority_nobody_leads() -> None:
    view = view_of(recorded("no-quorum"))
    assert view.problem == "no server names a leader; 127.78.9.11, 127.78.9.13: can't be connected to"
    assert (view.answers[B], view.leader(), view.peers) == (Answer(), None, ())


def test_an_alarm_is_told_with_its_member_and_holds_everything_up() -> None:
    """A full quota stops every write: no node is taken away, and no peer is removed."""
    view = view_of(recorded("nospace"))
    assert view.problem == "etcd raises the alarm NOSPACE of 127.78.9.13"
    assert len(view.peers) == 3
    assert not judge_whole(view, 3).held
    assert not any(judge_spare(view, node).held for node in ADDRESSES)


@pytest.mark.parametrize("keeps", [ALARM, STATUS])
def test_an_alarm_that_only_one_of_two_answers_tells_counts(keeps: str) -> None:
    record = recorded("nospace")
    for answers in record.values():
        if keeps == STATUS:
            answers[ALARM] = {}
        else:
            del answers[STATUS]["errors"]
    assert "NOSPACE of 127.78.9.13" in told_of(record)


def test_an_alarm_of_a_member_that_is_gone_is_an_alarm() -> None:
    record = recorded("whole")
    record["127.78.9.11"][ALARM] = {"alarms": [{"memberID": "255", "alarm": "CORRUPT"}]}
    assert view_of(record).problem == "etcd raises the alarm CORRUPT of a member that is gone (ff)"


def test_alarms_that_nobody_tells_are_unknown() -> None:
    record = recorded("whole")
    for answers in record.values():
        del answers[ALARM]
    assert view_of(record).problem == "no server tells the alarms; not told"
    assert told_of(record).startswith("no server tells the alarms; not told; ")


def test_a_learner_is_told_and_does_not_vote() -> None:
    record = recorded("learner")
    view = view_of(record)
    assert [peer.address for peer in stale_peers(view)] == [LEARNER]
    assert not judge_whole(view, 3).held
    four = {**ADDRESSES, NodeId("server", "d"): LEARNER}
    view = view_of(record, four)
    assert view.answers[NodeId("server", "d")].leader == "127.78.9.11"
    verdict = judge_whole(view, 4)
    assert (verdict.held, verdict.reason) == (False, "server/d does not vote yet; 3 voters, expected 4")


def test_a_leader_that_does_not_answer_leaves_the_others_word() -> None:
    """The node whose port hangs while it leads can be mended: it is the others that count then."""
    record = recorded("whole")
    del record["127.78.9.11"]
    view = view_of(record)
    assert (view.problem, view.leader()) == ("", A)
    assert judge_spare(view, A).held
    assert not judge_whole(view, 3).held


def change(record: dict[str, Any], address: str, call: str, **fields: Any) -> None:
    """Set fields of an answer; None takes one away."""
    answer = record[address][call]
    for key, value in fields.items():
        answer[key] = value
        if value is None:
            del answer[key]


THIRD = "127.78.9.13"
STRANGE: list[tuple[str, str, dict[str, Any], str]] = [
    (STATUS, "another leader", {"leader": "12869666093131388962"}, "several leaders are named: 127.78.9.11, 127.78.9.13"),
    (STATUS, "no leader", {"leader": None}, "server/c knows no leader"),
    (STATUS, "a zero", {"leader": "0"}, "server/c knows no leader"),
    (STATUS, "an unknown leader", {"leader": "7"}, "server/c does not answer (names a leader that is no member)"),
    (STATUS, "an older term", {"raftTerm": "1"}, "server/c is unhealthy"),
    (STATUS, "behind", {"raftAppliedIndex": "1"}, "log entries behind"),
    (STATUS, "before 3.4", {"raftAppliedIndex": None}, "server/c is unhealthy"),
    (STATUS, "an error", {"errors": ["etcdserver: corrupt"]}, "server/c does not answer (complains: etcdserver: corrupt)"),
]


@pytest.mark.parametrize(("call", "what", "fields", "reason"), STRANGE, ids=[what for _, what, _, _ in STRANGE])
def test_one_answer_that_differs_is_a_reason(call: str, what: str, fields: dict[str, Any], reason: str) -> None:
    """F34: whatever one server says differently: the cluster is not whole, and nobody else is spared."""
    record = recorded("whole")
    if what == "behind":
        for address in record:
            change(record, address, STATUS, raftIndex="900", raftAppliedIndex="900")
    change(record, THIRD, call, **fields)
    assert reason in told_of(record)
    view = view_of(record)
    assert not judge_spare(view, A).held
    assert judge_spare(view, C).held


def test_a_server_of_another_cluster_is_told_and_the_others_stand() -> None:
    """F21: a server that began anew under its address is well for itself alone."""
    record = recorded("whole")
    record[THIRD][STATUS]["header"]["cluster_id"] = "255"
    assert "server/c does not answer (is of another cluster, ff and not " in told_of(record)
    assert judge_spare(view_of(record), C).held


def test_a_server_that_lists_other_members_is_not_believed() -> None:
    record = recorded("whole")
    record[THIRD][LIST]["members"].append({"ID": "9", "peerURLs": ["http://127.78.9.99:2380"]})
    assert "server/c does not answer (lists other members than the leader)" in told_of(record)
    record[THIRD][LIST]["members"] = record[THIRD][LIST]["members"][:1]
    record[THIRD][STATUS]["header"]["member_id"] = "9"
    assert "server/c does not answer (is no member of its own cluster any more)" in told_of(record)


def test_a_member_known_by_a_name_only_is_never_called_dead() -> None:
    """F29: whether it is a node's can't be told from a name, so it is no stale peer that might be struck out."""
    record = recorded("one-down")
    for answers in record.values():
        for row in answers[LIST]["members"]:
            row["peerURLs"] = [f"https://etcd-{row['name'][-1]}.internal:2380"]
    view = view_of(record)
    assert [view.peer(node) is not None for node in (A, B, C)] == [True, True, False], "who answers is known by its id"
    (peer,) = stale_peers(view)
    assert (peer.address, peer.healthy) == ("etcd-3.internal", None)
    assert not judge_removal(view, peer).held


def test_a_dead_peer_at_an_address_of_no_node_may_be_struck_out() -> None:
    """F29: a voter that nobody runs, as the settled leader sees it."""
    record = recorded("whole")
    for answers in record.values():
        answers[LIST]["members"].append({"ID": "255", "peerURLs": ["http://127.78.9.99:2380"]})
    view = view_of(record)
    (peer,) = stale_peers(view)
    assert (peer.identity, peer.healthy) == ("255", False)
    assert judge_removal(view, peer).held


def test_two_of_one_address_are_not_whole() -> None:
    """A member that was added again under its old address leaves its old row: who answers is the one that counts."""
    record = recorded("whole")
    old = copy.deepcopy(record[THIRD][LIST]["members"][0])
    for answers in record.values():
        answers[LIST]["members"].append({**old, "ID": "255"})
    view = view_of(record)
    assert {peer.healthy for peer in view.peers} == {True, False}
    assert told_of(record) == "4 voters, expected 3"


def test_whom_a_server_is_connected_to() -> None:
    """A server that has just started has had no time to connect: who is missing then is unknown."""
    answers = recorded("whole")["127.78.9.11"]
    found = connections_of(answers)
    assert (len(found.live), found.settled) == (2, True)
    assert (found.is_cut_off("255"), found.is_cut_off(next(iter(found.live)))) == (True, False)
    lines = "\n".join(answers["metrics"]["lines"])
    for date in ("", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert not etcd_answers.connections(lines, date).settled
    assert etcd_answers.connections("", answers["metrics"]["date"]) == etcd_answers.Connections()
    assert not etcd_answers.Connections().is_cut_off("255")


def test_nobody_told_of_by_a_lonely_server_is_cut_off() -> None:
    answers = recorded("no-quorum")["127.78.9.12"]
    assert not connections_of(answers).settled
    assert said_by(answers).status.leader == ""


@pytest.mark.parametrize(
    ("call", "answer", "reason"),
    [
        (STATUS, {}, "no header"),
        (STATUS, {"header": []}, "header is list, wanted dict"),
        (STATUS, {"header": {"cluster_id": "1"}}, "no member_id"),
        (STATUS, {"header": {"cluster_id": 16463915317478173694, "member_id": "1"}}, "cluster_id is int, wanted str"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "-1"}}, "member_id is no number"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "1"}}, "no raftIndex"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "1"}, "raftIndex": "1" * 30}, "raftIndex is no number"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "1"}, "raftIndex": "1", "errors": "x"}, "errors is str, wanted list"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "1"}, "raftIndex": "1", "errors": [1]}, "errors does not hold str only"),
        (STATUS, {"header": {"cluster_id": "1", "member_id": "1"}, "raftIndex": "1", "isLearner": 1}, "isLearner is int, wanted bool"),
        (LIST, {"members": []}, "no members"),
        (LIST, {"members": [{"ID": "0", "peerURLs": ["http://a:1"]}]}, "no ID"),
        (LIST, {"members": [{"ID": "1"}]}, "no peerURLs"),
        (LIST, {"members": [{"ID": "1", "peerURLs": ["nonsense"]}]}, "no peerURLs"),
        (LIST, {"members": ["x"]}, "members does not hold dict only"),
        (LIST, {"members": [{"ID": "1", "peerURLs": ["http://a:1"], "isLearner": "yes"}]}, "isLearner is str, wanted bool"),
        (ALARM, {"alarms": [{"alarm": "NOSPACE"}]}, "no memberID"),
        (ALARM, {"alarms": [{"memberID": "1"}]}, "no alarm"),
        (ALARM, {"alarms": {}}, "alarms is dict, wanted list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_another_shape_is_not_interpreted(call: str, answer: dict[str, Any], reason: str) -> None:
    read = {STATUS: etcd_answers.status, LIST: etcd_answers.members, ALARM: etcd_answers.alarms}[call]
    with pytest.raises(TypeError, match=reason):
        read(answer)


def test_a_v6_address() -> None:
    (member,) = etcd_answers.members({"members": [{"ID": "1", "peerURLs": ["http://[fd00::11]:2380"]}]})
    assert (member.hosts, member.is_named, member.voter) == (("fd00::11",), False, True)
