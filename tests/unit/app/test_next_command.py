"""The next command of a halt is one that can be copied: with the block, the place and the run's own options."""

from __future__ import annotations

import pytest

from immtf.app.closing import spelled
from tests.fakes.session import SimSession, make_session
from tests.fakes.world import make_scene

UPGRADE = "immtf upgrade blocks/consul --lab --image=1.0.0 '--var=size=2 0'"


def session(again: str) -> SimSession:
    made = make_session(make_scene(3), flags="blocks/consul --lab")
    made.again = again
    return made


@pytest.mark.parametrize(
    ("again", "text", "wanted"),
    [
        (UPGRADE, "mend it, then run `immtf upgrade` again", f"mend it, then run `{UPGRADE}` again"),
        (UPGRADE, "make it with `immtf create`", "make it with `immtf create blocks/consul --lab`"),
        ("immtf test-upgrade b --lab", "run `immtf upgrade` again", "run `immtf test-upgrade b --lab` again"),
        ("", "run `immtf upgrade` again", "run `immtf upgrade` again"),
        (UPGRADE, "terminate it", "terminate it"),
        ("immtf create b --lab", "then `immtf again` goes on", "then `immtf create b --lab` goes on"),
        ("immtf create b --lab", "`immtf again --yes`", "`immtf create b --lab --yes`"),
        ("immtf unlock b --lab", "`immtf unlock --force --yes`", "`immtf unlock blocks/consul --lab --force --yes`"),
        ("immtf create b --lab", "run the same command again: so", "run `immtf create b --lab` again: so"),
        (UPGRADE, "`immtf upgrade --image=ami-1 --only=server/a`", "`immtf upgrade blocks/consul --lab --image=ami-1 --only=server/a`"),
    ],
)
def test_a_command_is_spelled_out(again: str, text: str, wanted: str) -> None:
    assert spelled(text, session(again)) == wanted
