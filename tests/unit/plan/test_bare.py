"""The root module by which a state is destroyed without its block: its providers, their regions, and the order of several states."""

from __future__ import annotations

from typing import Any

import pytest

from immtf.errors import PersonNeeded
from immtf.model.environment import Backend
from immtf.plan.bare import Provider, bare_document, in_order, providers_of, region_of, requires_of

AWS = 'provider["registry.terraform.io/hashicorp/aws"]'
BACKEND = Backend("local", {"path": "/e/terraform.tfstate"})


def row(provider: str = AWS, mode: str = "managed", **attributes: Any) -> dict[str, Any]:
    return {"mode": mode, "type": "aws_vpc", "name": "this", "provider": provider, "instances": [{"attributes": attributes}]}


def state(*rows: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    return {"resources": list(rows), "outputs": {name: {"value": value} for name, value in outputs.items()}}


def test_each_provider_of_the_state_gets_a_block_and_nothing_else_is_in_it() -> None:
    found = state(row(), row(f"{AWS}.west", arn="arn:aws:ec2:us-west-2:1:vpc/vpc-1"), row('provider["example.com/hashicorp/random"]'))
    assert bare_document(BACKEND, found, {"max_retries": 5}) == {
        "terraform": {
            "backend": {"local": {"path": "/e/terraform.tfstate"}},
            "required_providers": {
                "aws": {"source": "registry.terraform.io/hashicorp/aws"},
                "random": {"source": "example.com/hashicorp/random"},
            },
        },
        "provider": {"aws": [{"max_retries": 5}, {"max_retries": 5, "region": "us-west-2", "alias": "west"}], "random": [{}]},
    }


def test_what_is_read_or_built_in_needs_no_provider() -> None:
    found = state(row('provider["x.io/a/b"]', mode="data"), row('provider["terraform.io/builtin/terraform"]'))
    assert providers_of(found) == ()
    assert "provider" not in bare_document(BACKEND, found, {})


@pytest.mark.parametrize("text", ['module.a.provider["registry.terraform.io/hashicorp/aws"]', "provider.aws", ""])
def test_a_provider_that_only_the_block_has_is_for_a_person(text: str) -> None:
    with pytest.raises(PersonNeeded, match="only its block has") as caught:
        providers_of(state(row(text)))
    assert "immtf destroy" in caught.value.next


def test_a_region_is_known_where_all_names_tell_the_same() -> None:
    aws = Provider("registry.terraform.io/hashicorp/aws")
    here, there = "arn:aws:ec2:eu-west-1:1:vpc/a", "arn:aws-cn:ec2:cn-north-1:1:vpc/a"
    assert region_of(state(row(arn=here), row(arn="arn:aws:iam::1:role/x"), row()), aws) == "eu-west-1"
    assert region_of(state(row(arn=there)), aws) == "cn-north-1"
    assert region_of(state(row(arn=here), row(arn=there)), aws) == ""


def test_a_block_tells_what_it_requires() -> None:
    told = {"name": "consul", "version": "1.0.0", "requires": {"base": "~> 1.0"}}
    assert requires_of(state(block=told)) == ("consul", ("base",))
    assert requires_of(state(block={"name": "base"})) == ("base", ())
    assert requires_of(state()) == ("", ())
    assert requires_of({"resources": [], "outputs": None}) == ("", ())


def test_consumers_go_before_what_they_require() -> None:
    requires = {"base": (), "consul": ("base", "elsewhere"), "service": ("base", "consul"), "other": ()}
    order = in_order(requires)
    assert sorted(order) == sorted(requires)
    assert order.index("service") < order.index("consul") < order.index("base")
    assert in_order({"a": ("b",), "b": ("a",), "c": ("a",)}) == ("c", "a", "b")
    assert in_order({}) == ()
