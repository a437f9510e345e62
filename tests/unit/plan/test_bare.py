"""The root module by which a state is destroyed without its block: its providers, their regions, and the order of several states."""

from __future__ import annotations

from typing import Any

import pytest

from immtf.errors import PersonNeeded
from immtf.model.environment import Backend
from immtf.plan.bare import Provider, accounts_of, bare_document, bare_environment, in_order, providers_of, region_of, requires_of

AWS = 'provider["registry.terraform.io/hashicorp/aws"]'
BACKEND = Backend("local", {"path": "/e/terraform.tfstate"})


def row(provider: str = AWS, mode: str = "managed", **attributes: Any) -> dict[str, Any]:
    return {"mode": mode, "type": "aws_vpc", "name": "this", "provider": provider, "instances": [{"attributes": attributes}]}


def state(*rows: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    return {"resources": list(rows), "outputs": {name: {"value": value} for name, value in outputs.items()}}


def test_each_provider_of_the_state_gets_a_block_and_nothing_else_is_in_it() -> None:
    found = state(row(), row(f"{AWS}.west", arn="arn:aws:ec2:us-west-2:1:vpc/vpc-1"), row('provider["example.com/hashicorp/random"]'))
    lab = {"endpoints": [{"ec2": "http://127.0.0.1"}]}
    assert bare_document(BACKEND, found, lab) == {
        "terraform": {
            "backend": {"local": {"path": "/e/terraform.tfstate"}},
            "required_providers": {
                "aws": {"source": "registry.terraform.io/hashicorp/aws"},
                "random": {"source": "example.com/hashicorp/random"},
            },
        },
        "provider": {"aws": [lab, {**lab, "region": "us-west-2", "alias": "west"}], "random": [{}]},
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


def test_credentials_of_another_account_are_refused_by_the_provider() -> None:
    """To them everything would look as if it were gone, and the state would be emptied."""
    mine = state(row(arn="arn:aws:ec2:eu-west-1:123456789012:vpc/a"), row(arn="arn:aws:iam::123456789012:role/x"), row())
    (block,) = bare_document(BACKEND, mine, {})["provider"]["aws"]
    assert block == {"region": "eu-west-1", "allowed_account_ids": ["123456789012"]}
    (lab,) = bare_document(BACKEND, mine, {"endpoints": [{"ec2": "http://127.0.0.1"}], "allowed_account_ids": None})["provider"]["aws"]
    assert lab["allowed_account_ids"] is None, "a lab has no account"
    assert accounts_of(mine, Provider("registry.terraform.io/hashicorp/aws", "west")) == ()


@pytest.mark.parametrize(
    ("arns", "unknown"),
    [
        ((), "region"),
        (("arn:aws:iam::123456789012:role/x",), "region"),
        (("arn:aws:ec2:eu-west-1:123456789012:vpc/a", "arn:aws:ec2:us-west-2:123456789012:vpc/b"), "region"),
        (("arn:aws:s3:eu-west-1::bucket",), "account"),
    ],
)
def test_where_things_are_has_to_be_known(arns: tuple[str, ...], unknown: str) -> None:
    """In a wrong region all of it would look as if it were gone, and the state would be forgotten."""
    rows = [row(arn=arn) for arn in arns] or [row()]
    with pytest.raises(PersonNeeded, match=f"of which {unknown} its things are"):
        bare_document(BACKEND, state(*rows), {})


def test_no_workspace_and_no_other_root_s_work_is_taken_for_the_state_s() -> None:
    given = {"TF_WORKSPACE": "prod", "TF_DATA_DIR": "/work", "AWS_PROFILE": "tests", "PATH": "/bin"}
    assert bare_environment(given) == {"AWS_PROFILE": "tests", "PATH": "/bin"}


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
