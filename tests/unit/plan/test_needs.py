"""What a block needs of its producers, case by case; and what it gets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import UsageError
from immtf.model.block import Block, OutputNeed
from immtf.model.environment import Deployed
from immtf.model.outputs import Output, Outputs
from immtf.plan.checks import may_override
from immtf.plan.needs import Reads, deployed_of, judge_declared, judge_needs, refuse_called, secrets_of, source_of, supply, unread
from tests.fakes.infrastructure import make_part

if TYPE_CHECKING:
    from immtf.plan.judge import Refusal

WHERE = "the state of block base-net (local /states/base-net)"
HCL = Reads(frozenset({"base_net", "subnet_ids", "secret"}), frozenset({"secret"}), frozenset())
SUBNETS = OutputNeed("subnets", "list", "subnet_ids", [])
NETWORK = OutputNeed("network", "string", mock="net-0")
KEY = OutputNeed("key", "string", "secret")


def consumer(*needs: OutputNeed, accepts: str = "~> 2.0") -> Block:
    return replace(make_part("web", "1.0.0", {"base-net": accepts}), uses={"base-net": needs} if needs else {})


def outputs(version: Any = "2.1.0", *, name: str = "base-net", **values: Any) -> Outputs:
    told = {"network": "net-1", "subnets": ["a"], **values}
    found = {key: Output(key, value) for key, value in told.items()}
    found["block"] = Output("block", {"name": name, "version": version, "requires": {"dns": "1"}})
    found["key"] = Output("key", "s3cr3t", "string", sensitive=True)
    return Outputs("base-net", WHERE, "there", found, 2)


def judged(block: Block, found: Outputs, reads: Reads = HCL, *, mocks: bool = False, **given: Any) -> list[Refusal]:
    return judge_needs(block, {"base-net": found}, reads, given, mocks=mocks, ways={"base-net": "../base --environment x"})


def test_a_producer_that_is_there_in_range_with_all_that_is_used_is_taken() -> None:
    block = consumer(NETWORK, SUBNETS, KEY)
    assert judged(block, outputs()) == []
    made = supply(block, {"base-net": outputs()}, HCL, mocks=False)
    assert made.variables == {"base_net": {"network": "net-1"}, "subnet_ids": ["a"], "secret": "s3cr3t"}
    assert "s3cr3t" not in repr(made)


def test_where_no_outputs_are_listed_all_that_are_not_sensitive_go_together() -> None:
    """F49."""
    made = supply(consumer(), {"base-net": outputs(nothing=None)}, HCL, mocks=False).variables
    assert set(made) == {"base_net"}
    assert set(made["base_net"]) == {"network", "subnets", "block"}


@pytest.mark.parametrize(
    ("declared", "lacking"),
    [({"network", "block"}, ()), ({"net", "block"}, ("network",)), (set(), ()), (None, ())],
    ids=["declared", "not", "nothing is known", "not wanted"],
)
def test_an_output_that_a_producer_gives_up_is_refused_before_its_upgrade(declared: set[str] | None, lacking: tuple[str, ...]) -> None:
    """Its state has it still, and has it no more when the consumer's turn comes."""
    web = consumer(NETWORK)
    wanted = {"web": web} if declared is None else {"base-net": make_part("base-net", "2.2.0"), "web": web}
    refusals = judge_declared(wanted, {} if declared is None else {"base-net": declared})
    assert [(item.check, item.addresses) for item in refusals] == [("producer-output", ("block web 1.0.0",)) for _ in lacking]
    for item in refusals:
        assert "the HCL of base-net 2.2.0, which is wanted, doesn't declare it; did you mean `net`?" in item.what


def test_only_variables_that_are_declared_get_anything() -> None:
    assert supply(consumer(NETWORK, SUBNETS), {"base-net": outputs()}, Reads(), mocks=False).variables == {}
    assert supply(consumer(), {"base-net": outputs()}, Reads(), mocks=False).variables == {}
    assert supply(consumer(SUBNETS), {"base-net": outputs()}, HCL, mocks=False).variables == {"subnet_ids": ["a"]}
    assert supply(consumer(NETWORK), {}, HCL, mocks=False).variables == {}


@pytest.mark.parametrize(
    ("presence", "what"),
    [("none", "isn't there, so block base-net isn't deployed"), ("empty", "is empty, so block base-net isn't deployed")],
)
def test_a_producer_that_is_not_deployed_is_refused_with_the_command_that_deploys_it(presence: Any, what: str) -> None:
    """F46."""
    (refusal,) = judged(consumer(NETWORK, KEY), Outputs("base-net", WHERE, presence))
    assert (refusal.check, refusal.addresses) == ("producer-absent", (WHERE,))
    assert refusal.what == f"{what}; block web 1.0.0 requires base-net ~> 2.0"
    assert refusal.mend == "first: `immtf create ../base --environment x`"
    assert not may_override(refusal.check)


def test_a_state_of_another_block_is_not_this_one_s() -> None:
    """F46."""
    (refusal,) = judged(consumer(), outputs(name="dns"))
    assert (refusal.check, refusal.what) == ("producer-absent", "is of block dns, not of base-net")


@pytest.mark.parametrize(("version", "check"), [("3.0.0", "requires-version"), ("1", "requires-version"), (2, "requires-unknown")])
def test_the_version_is_judged_by_the_rule_and_in_the_words_of_remote_states(version: Any, check: str) -> None:
    """F46: both versions are named."""
    (refusal,) = judged(consumer(), outputs(version))
    assert (refusal.check, refusal.addresses) == (check, (WHERE,))
    if check == "requires-version":
        assert refusal.what == f"is block base-net {version}, and block web 1.0.0 requires base-net ~> 2.0"


def test_a_producer_without_a_block_output_is_unknown() -> None:
    """F46."""
    bare = replace(outputs(), values={"network": Output("network", "n")})
    assert [refusal.check for refusal in judged(consumer(NETWORK), bare)] == ["requires-unknown"]


def test_an_output_that_is_missing_is_said_with_who_should_publish_it() -> None:
    """F46: and with the one that was probably meant; null is none."""
    (refusal,) = judged(consumer(OutputNeed("subnet", "list")), outputs())
    assert refusal.check == "producer-output"
    assert refusal.what == (
        'has no output "subnet", which block web uses: it should be published by block base-net; did you mean `subnets`?'
    )
    assert refusal.mend.endswith("and apply that: `immtf upgrade ../base --environment x`")
    (refusal,) = judged(consumer(OutputNeed("zzz")), outputs(zzz=None))
    assert refusal.what.endswith("it should be published by block base-net")


def test_an_output_of_another_kind_is_refused() -> None:
    """F46."""
    (refusal,) = judged(consumer(OutputNeed("network", "list")), outputs())
    assert refusal.what == 'has the output "network" as string, and block web uses it as list'
    odd = replace(outputs(), values={**outputs().values, "network": Output("network", object())})
    (refusal,) = judged(consumer(NETWORK), odd)
    assert "as of no type that is told" in refusal.what


def test_a_sensitive_output_goes_into_a_sensitive_variable_or_nowhere() -> None:
    """F49."""
    (refusal,) = judged(consumer(OutputNeed("key", "string", "subnet_ids")), outputs())
    assert (refusal.check, refusal.addresses) == ("producer-variable", ("var.subnet_ids",))
    (refusal,) = judged(consumer(OutputNeed("key")), outputs())
    assert refusal.addresses == ("var.base_net",)
    assert secrets_of({"base-net": outputs()}) == ["s3cr3t"]


@pytest.mark.parametrize(
    ("name", "mend"), [("subnet_id", "did you mean `subnet_ids`?"), ("zzz", 'declare it in the root module: variable "zzz" {}')]
)
def test_a_variable_that_is_not_declared_is_refused(name: str, mend: str) -> None:
    (refusal,) = judged(consumer(OutputNeed("subnets", "list", name)), outputs())
    assert (refusal.check, refusal.addresses, refusal.mend) == ("producer-variable", (f"var.{name}",), mend)


def test_every_refusal_is_there_at_once() -> None:
    found = judged(consumer(OutputNeed("x"), OutputNeed("network", "map", "y"), accepts="~> 1.0"), outputs())
    assert [refusal.check for refusal in found] == ["requires-version", "producer-output", "producer-output", "producer-variable"]


@pytest.mark.parametrize("given", [["a"], '["a"]'], ids=["the value", "as text"])
def test_what_is_given_by_hand_may_say_the_same(given: Any) -> None:
    assert judged(consumer(SUBNETS), outputs(), subnet_ids=given) == []


@pytest.mark.parametrize("given", [["b"], "a", '["b"]', 3], ids=["a value", "a text", "as text", "a number"])
def test_what_is_given_by_hand_may_not_say_something_else(given: Any) -> None:
    (refusal,) = judged(consumer(SUBNETS), outputs(), subnet_ids=given)
    assert (refusal.check, refusal.addresses) == ("producer-variable", ("var.subnet_ids",))


def test_mocks_stand_for_a_producer_that_is_not_deployed_where_each_output_has_one() -> None:
    absent = Outputs("base-net", WHERE, "none")
    block = consumer(NETWORK, SUBNETS)
    assert judged(block, absent, mocks=True) == []
    made = supply(block, {"base-net": absent}, HCL, mocks=True)
    assert (made.variables, made.mocked) == ({"base_net": {"network": "net-0"}, "subnet_ids": []}, ("base-net",))
    assert [refusal.check for refusal in judged(block, absent)] == ["producer-absent"]
    assert supply(block, {"base-net": absent}, HCL, mocks=False).mocked == ()


def test_no_mock_stands_for_a_producer_that_is_deployed_or_for_an_output_that_has_none() -> None:
    """F46: a mock is no evidence of anything."""
    made = supply(consumer(NETWORK), {"base-net": outputs()}, HCL, mocks=True)
    assert (made.variables, made.mocked) == ({"base_net": {"network": "net-1"}}, ())
    (refusal,) = judged(consumer(NETWORK, KEY), Outputs("base-net", WHERE, "none"), mocks=True)
    assert refusal.mend.endswith("or give each output that is used of it a `mock`, for `plan` alone")
    assert [refusal.check for refusal in judged(consumer(), Outputs("base-net", WHERE, "none"), mocks=True)] == ["producer-absent"]


@pytest.mark.parametrize("label", ["base", "my_base"])
def test_a_called_module_that_reads_a_required_block_s_state_is_refused(label: str) -> None:
    """F44: an environment's settings don't reach it, so it would read whatever its HCL says: another environment's, perhaps."""
    block = replace(consumer(), requires={"base": "~> 2.0", "my-base": "~> 1.0"})
    refuse_called(block, {"other": "modules/x"})
    with pytest.raises(UsageError) as caught:
        refuse_called(block, {label: "modules/x"})
    assert caught.value.where == "modules/x"
    assert f'"terraform_remote_state" "{label}"' in caught.value.what
    assert "in the root module" in caught.value.next


def test_an_output_that_has_no_place_in_the_hcl_is_named() -> None:
    block = consumer(NETWORK, SUBNETS)
    assert unread(block, Reads()) == ("base-net.network",)
    assert unread(block, HCL) == ()
    for label in ("base-net", "base_net"):
        reads = Reads(remote_states=frozenset({label, "x"}))
        assert (unread(block, reads), source_of("base-net", reads)) == ((), label)


def test_a_deployed_block_is_what_its_own_output_says() -> None:
    assert deployed_of(outputs()) == Deployed("base-net", "2.1.0", {"dns": "1"})


@pytest.mark.parametrize("told", [None, 3, ["dns"], {"dns": 1}])
def test_what_a_deployed_block_requires_is_unknown_unless_it_says_so_plainly(told: Any) -> None:
    """F46."""
    found = replace(outputs(), values={"block": Output("block", {"name": "base-net", "version": "1", "requires": told})})
    assert deployed_of(found) == Deployed("base-net", "1", None)


def test_a_block_that_tells_nothing_or_of_another_one_is_a_problem() -> None:
    """F46."""
    assert deployed_of(Outputs("base-net", WHERE, "there")).problem == "publishes no output `block` with a name"
    assert deployed_of(outputs(name="dns")) == Deployed("base-net", problem=f"{WHERE} is of block dns")
