from __future__ import annotations

import json

from immtf.model.published import Unread
from immtf.report.resolved import as_json, as_text, left_out
from tests.fakes.publishing import make_published

BLOCKS = {"base": make_published("base 1.3.0"), "consul": make_published("consul 1.10.0", base="~> 1.0", a=">= 1")}


def test_a_line_for_each_block_and_why_it_is_not_the_newest() -> None:
    assert as_text(BLOCKS, {"base": "2.0.0 is published, and consul 1.10.0 requires `~> 1.0`"}).splitlines() == [
        "base    1.3.0   infra/base/1.3.0     requires nothing",
        "    2.0.0 is published, and consul 1.10.0 requires `~> 1.0`",
        "consul  1.10.0  infra/consul/1.10.0  requires a >= 1, base ~> 1.0",
    ]


def test_everything_as_json() -> None:
    told = json.loads(as_json(["consul"], BLOCKS, {"base": "why"}, [Unread("x", "y", "base", "9")]))
    assert told["version"] == 1
    assert told["asked"] == ["consul"]
    assert told["blocks"][0] == {
        "name": "base",
        "version": "1.3.0",
        "place": "infra/base/1.3.0",
        "digest": "",
        "requires": {},
        "newer": "why",
    }
    assert told["left_out"] == [{"where": "x", "what": "y", "name": "base", "version": "9"}]


def test_what_is_left_out_is_told_and_cut_where_it_is_much() -> None:
    assert left_out([Unread("x", "y")]) == ["left out: x: y"]
    assert left_out([]) == []
    lines = left_out([Unread(str(number), "y") for number in range(25)])
    assert (len(lines), lines[-1]) == (21, "left out: 5 more")
