from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.lab.guest.home import Home, write_json
from immtf.lab.guest.interfaces import Interfaces, give, given
from immtf.lab.process.interfaces import Interfaces as Given
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "i-1")
    made.path.mkdir()
    write_json(made.instance, {"instance_id": "i-1", "address": "127.9.10.11"})
    return made


def test_an_address_is_used_from_when_it_is_seen_until_it_is_let_go(home: Home) -> None:
    guest = Interfaces(home)
    change = give(home, {"1": "127.9.10.50"})
    assert (guest.names, guest.status()) == (set(), {"change": 0, "addresses": {}})
    guest.look()
    assert (guest.names, guest.values, guest.leaving) == ({"interface:1"}, {"address:1": "127.9.10.50"}, set())
    assert guest.status() == {"change": change, "addresses": {"1": "127.9.10.50"}}
    give(home, {})
    guest.look()
    assert (guest.names, guest.leaving) == (set(), {"interface:1"})
    assert guest.status() == {"change": change + 1, "addresses": {"1": "127.9.10.50"}}, "the guest still has it"
    guest.let_go()
    assert (guest.leaving, guest.values) == (set(), {})


def test_another_address_at_the_same_index_is_not_used_before_the_first_is_let_go(home: Home) -> None:
    give(home, {"1": "127.9.10.50"})
    guest = Interfaces(home)
    give(home, {"1": "127.9.10.51"})
    guest.look()
    assert (guest.names, guest.leaving) == (set(), {"interface:1"})
    guest.let_go()
    assert (guest.names, guest.values) == ({"interface:1"}, {"address:1": "127.9.10.51"})


def test_every_change_has_a_number_of_its_own_and_none_where_nothing_changed(home: Home) -> None:
    interfaces = Given(home.path.parent)
    assert given(home) == (0, {})
    assert interfaces.detach(home, 1) == 0
    assert [interfaces.attach(home, "127.9.10.50", 1) for _ in range(2)] == [1, 1]
    assert [interfaces.detach(home, 1) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(("address", "index"), [("127.9.10.50", 2), ("127.9.10.11", 2), ("127.9.10.51", 1), ("127.9.10.51", 0)])
def test_what_is_taken_is_refused(home: Home, address: str, index: int) -> None:
    interfaces = Given(home.path.parent)
    interfaces.attach(home, "127.9.10.50", 1)
    with pytest.raises(RuntimeFailed):
        interfaces.attach(home, address, index)
    assert given(home)[1] == {"1": "127.9.10.50"}
