"""What is said when the cloud has no room for a node's new instance: what is safe, and the exact way on."""

from __future__ import annotations

import pytest

from immtf.errors import ExitCode, ImmtfError, NoRoom, TerraformFailed
from immtf.plan.room import Wanted, no_room, wanted_of
from tests.fakes.builders import make_change, make_place, make_plan_data

ADDRESS = 'module.server["a"].aws_instance.this'
WANTED = Wanted("t3.small", ("eu-west-1a",), "10.0.0.11", "subnet-1", "ami-old", "t3.small")


def said(code: str, wanted: Wanted = WANTED, holder: str = "") -> ImmtfError:
    error = TerraformFailed(f"apply failed: {code}", code=code)
    return no_room("server/a", wanted, error, tries=3, seconds=80.4, holder=holder, volumes="vol-a")


def test_no_capacity_offers_the_old_image_and_the_same_again() -> None:
    """F24."""
    error = said("InsufficientInstanceCapacity")
    assert isinstance(error, NoRoom)
    assert error.exit_code is ExitCode.PERSON_NEEDED
    assert error.what == (
        "InsufficientInstanceCapacity: the cloud has no capacity for t3.small in eu-west-1a, asked 3 times over 80 s; kept and safe: vol-a"
    )
    assert error.next == (
        "`immtf upgrade` tries again; or this node alone on the image that it had: `immtf upgrade --image=ami-old --only=server/a`"
    )


def test_no_capacity_names_the_old_type_where_it_changed() -> None:
    """F24: another image finds no room, another type may."""
    error = said("InsufficientInstanceCapacity", Wanted("m6i.large", ("eu-west-1a",), old_image="ami-old", old_type="t3.small"))
    assert "m6i.large in eu-west-1a" in error.what
    assert "with the instance type t3.small that it had in Terraform's variables" in error.next


def test_no_capacity_where_nothing_is_known_is_told_all_the_same() -> None:
    """F24."""
    error = said("InsufficientInstanceCapacity", Wanted())
    assert "no capacity for the new instance, asked" in error.what
    assert error.next == "`immtf upgrade` tries again"


@pytest.mark.parametrize(("holder", "told"), [("i-9", "held by i-9"), ("", "who holds it can't be seen")])
def test_an_address_in_use_names_its_holder(holder: str, told: str) -> None:
    """F25."""
    error = said("InvalidIPAddress.InUse", holder=holder)
    assert error.what.endswith(f"the node's address 10.0.0.11 is still in use, asked 3 times over 80 s: {told}")
    assert "not known" in said("InvalidIPAddress.InUse", Wanted()).what


def test_a_volume_in_use_is_never_forced() -> None:
    """F14."""
    error = said("VolumeInUse")
    assert "vol-a can't be attached" in error.what
    assert "never detach by force" in error.next


def test_throttling_is_told_as_it_is() -> None:
    """F42."""
    assert said("RequestLimitExceeded").what == "apply failed: RequestLimitExceeded"


def test_what_a_plan_wants_is_read_from_the_instance_s_row() -> None:
    before = {"ami": "ami-old", "instance_type": "t3.small"}
    after = {"ami": "ami-new", "instance_type": "m6i.large", "private_ip": "10.0.0.11", "subnet_id": 7}
    row = make_change(ADDRESS, "delete", "create", before=before, after=after)
    found = wanted_of(make_plan_data(row), make_place("a"), {"eu-west-1a"}, Wanted(subnet_id="subnet-1"))
    assert found == Wanted("m6i.large", ("eu-west-1a",), "10.0.0.11", "subnet-1", "ami-old", "t3.small")
    later = wanted_of(make_plan_data(make_change(ADDRESS, "create", after=after)), make_place("a"), {"eu-west-1a"}, found)
    assert later == found, "what the instance was before is still known when it is gone"


def test_a_plan_without_the_instance_tells_nothing_new() -> None:
    assert wanted_of(make_plan_data(), make_place("a"), (), WANTED) == Wanted(
        "t3.small", (), "10.0.0.11", "subnet-1", "ami-old", "t3.small"
    )
