from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import ExitCode, UsageError
from immtf.model.names import NodeId, parse_node

A, B, C = NodeId("server", "a"), NodeId("server", "b"), NodeId("client", "a")
NODES = (A, B, C)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("server/a", A),
        (" server/a ", A),
        ("b", B),
        ('module.server["b"]', B),
        ('module.server["b"].aws_instance.this', B),
        ('module.net.module.client["a"]', C),
        ('module.client["a"].module.disk["x"]', C),
        ('aws_instance.server["a"]', A),
    ],
)
def test_a_node_is_found_by_name_key_or_address(text: str, node: NodeId) -> None:
    assert parse_node(text, NODES) == node


def test_an_address_is_matched_with_the_place_of_the_cluster_where_that_is_given() -> None:
    places = {"server": "module.consul", "client": "module.server"}
    assert parse_node('module.server["a"]', NODES, addresses=places) == C
    assert parse_node("aws_instance.node[0]", [NodeId("n", "0")], addresses={"n": "aws_instance.node"}) == NodeId("n", "0")


def test_another_clusters_address_never_finds_a_node_that_has_the_same_key() -> None:
    with pytest.raises(UsageError, match="there is no node"):
        parse_node('module.database["b"]', NODES)


def test_a_key_of_two_clusters_is_refused_with_both() -> None:
    with pytest.raises(UsageError) as caught:
        parse_node("a", NODES)
    assert caught.value.what == "`a` may be any of client/a, server/a"
    assert caught.value.next == "name the cluster too, as in `client/a`"


def test_an_unknown_node_is_told_with_the_nearest_and_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse_node("sever/b", NODES)
    assert caught.value.what == "there is no node `sever/b`; did you mean `server/b`?"
    assert caught.value.next == "use one of client/a, server/a, server/b"
    assert caught.value.exit_code is ExitCode.USAGE


def test_no_nodes_at_all_and_very_many_are_told_shortly() -> None:
    with pytest.raises(UsageError, match="no node is known"):
        parse_node("a", [])
    with pytest.raises(UsageError, match="s/n11 and 69 more"):
        parse_node("zzz", [NodeId("s", f"n{number:02}") for number in range(81)])


@given(st.sets(st.builds(NodeId, st.sampled_from(["server", "client"]), st.text(min_size=1)), min_size=1))
def test_every_nodes_full_name_finds_exactly_that_node(nodes: set[NodeId]) -> None:
    """Keys are Terraform's: any text, also with slashes, quotes and blanks around it."""
    for node in nodes:
        if str(node) == str(node).strip():
            assert parse_node(str(node), nodes) == node


@given(st.text(alphabet='ab"\\]["${}/ü', min_size=1))
def test_an_address_finds_its_node_whatever_its_key_is(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_node(f'module.server["{escaped}"]', [NodeId("server", key), NodeId("client", key)]) == NodeId("server", key)


def test_nodes_are_ordered_and_written_as_people_write_them() -> None:
    assert sorted(NODES) == [C, A, B]
    assert str(A) == "server/a"
