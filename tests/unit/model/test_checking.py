"""The facts go to the tests as JSON and are the same there."""

from __future__ import annotations

import json

import pytest

from immtf.model.checking import BlockFacts, CheckFacts, Connection, NodeFacts, VolumeFacts, facts_from_json, facts_to_json

VOLUMES = (VolumeFacts("data", "vol-1", "/data"), VolumeFacts("wal", "vol-2", '/w"al'))
FACTS = CheckFacts(
    node=NodeFacts(name="server/a", cluster="server", key="a", instance_id="i-1", address="10.0.0.1", zone="z", volumes=VOLUMES),
    block=BlockFacts(name="consul", version="1.1.0", environment="ü"),
)


@pytest.mark.parametrize("facts", [CheckFacts(), FACTS], ids=["none", "all"])
@pytest.mark.parametrize("connection", [Connection(), Connection(way="ssh", user="admin", port=2222, identity="/k")], ids=["ssm", "ssh"])
def test_facts_there_and_back(facts: CheckFacts, connection: Connection) -> None:
    told = json.loads(json.dumps({**facts_to_json(facts, connection), "limit_s": 3}))
    assert facts_from_json(told) == (facts, connection)


@pytest.mark.parametrize("told", [{}, {"node": {"volumes": []}, "block": {}, "connection": {"way": "ssm", "password": "x"}}])
def test_what_is_no_facts_is_refused(told: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        facts_from_json(told)
