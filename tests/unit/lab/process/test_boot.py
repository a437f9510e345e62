from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.lab.guest.boot import BootInvalid, Mount, ServiceSpec, filled_in, read_boot


def test_a_boot_file_as_images_have_it() -> None:
    text = json.dumps(
        {
            "mounts": [{"device": "/dev/xvdf", "path": "/var/lib/consul/", "check_s": 3}],
            "services": [{"name": "consul", "after": ["/var/lib/consul"], "command": ["consul", "agent"], "stop_grace_s": 9}],
        }
    )
    plan = read_boot(text)
    assert plan.mounts == (Mount("/dev/xvdf", "/var/lib/consul", 3.0),)
    assert plan.services == (ServiceSpec("consul", ("consul", "agent"), ("/var/lib/consul",), 9.0),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"mount": []}', "unknown key 'mount'"),
        ('{"mounts": [{"path": "/x"}]}', "a device and an absolute path"),
        ('{"mounts": [{"device": "xvdf", "path": "x"}]}', "a device and an absolute path"),
        ('{"services": [{"name": "a", "command": "sleep 1"}]}', "a command (a list)"),
        ('{"services": [{"name": "a", "command": ["b"], "restart": true}]}', "after and stop_grace_s"),
        ('{"services": [{"name": "a", "command": ["b"]}, {"name": "a", "command": ["b"]}]}', "a is there twice"),
        ('{"services": [{"name": "a", "command": ["b"], "after": ["/data"]}]}', "a comes after /data, which is nowhere"),
        (
            '{"services": [{"name": "a", "command": ["c"], "after": ["b"]}, {"name": "b", "command": ["c"], "after": ["a"]}]}',
            "these wait for one another: a, b",
        ),
        ('{"services": [{"name": "a", "command": ["b"], "after": ["interface:0"]}]}', "a comes after interface:0, which is nowhere"),
        ('{"services": [{"name": "a", "command": ["b", "{address:1}"]}]}', "a uses {address:1} and does not come after interface:1"),
    ],
)
def test_what_can_not_be_carried_out(text: str, said: str) -> None:
    with pytest.raises(BootInvalid) as refused:
        read_boot(text)
    assert said in str(refused.value)


def test_a_service_may_come_after_a_further_interface_and_use_its_address() -> None:
    text = '{"services": [{"name": "a", "command": ["b", "{address}", "{address:1}"], "after": ["interface:1"]}]}'
    (service,) = read_boot(text).services
    assert service.after == ("interface:1",)
    assert filled_in(service.command, {"address": "A", "address:1": "B"}) == ["b", "A", "B"]


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(BootInvalid) as refused:
        read_boot('{"mounts": [1], "services": [2], "more": 3}')
    assert str(refused.value).count(";") == 2


@given(st.text(alphabet="{}rotaddesinc_ $", max_size=30))
def test_filling_in_leaves_what_it_does_not_know(word: str) -> None:
    values = {"root": "R", "address": "A"}
    (filled,) = filled_in((word,), values)
    assert filled == word.replace("{root}", "R").replace("{address}", "A")
