from __future__ import annotations

from pathlib import Path

from immtf.adapters.terraform import argv

NASTY = 'module.node["a $(touch x) \\" [0]"]'


def test_every_whole_argv() -> None:
    assert argv.version() == ("version", "-json")
    assert argv.init(upgrade=False, lock_s=60) == ("init", "-input=false", "-no-color", "-lock-timeout=60s")
    assert argv.init(upgrade=True, lock_s=0.5)[-2:] == ("-lock-timeout=0.5s", "-upgrade")
    assert argv.init(upgrade=False, lock_s=60, reconfigure=True)[-1] == "-reconfigure"
    assert argv.apply(Path("/p"), lock_s=60) == ("apply", "-input=false", "-no-color", "-json", "-lock-timeout=60s", "/p")
    assert argv.show() == ("show", "-no-color", "-json")
    assert argv.show(Path("/p")) == ("show", "-no-color", "-json", "/p")
    assert argv.untaint(NASTY, lock_s=60) == ("untaint", "-no-color", "-lock-timeout=60s", NASTY)
    assert argv.state_pull() == ("state", "pull", "-no-color")
    assert argv.state_push(Path("/s"), lock_s=60) == ("state", "push", "-no-color", "-lock-timeout=60s", "/s")


def test_plan() -> None:
    head = ("plan", "-input=false", "-no-color", "-json", "-detailed-exitcode", "-lock-timeout=60s", "-out=/p")
    assert argv.plan(Path("/p"), variables=None, targets=(), destroy=False, refresh=True, lock_s=60) == head
    full = argv.plan(Path("/p"), variables=Path("/v"), targets=(NASTY, "b.c"), destroy=True, refresh=False, lock_s=60)
    assert full == (*head, "-var-file=/v", "-destroy", "-refresh=false", f"-target={NASTY}", "-target=b.c")
    records = argv.plan(Path("/p"), variables=None, targets=("b.c",), destroy=False, refresh=True, records=True, lock_s=60)
    assert records == (*head, "-refresh-only", "-target=b.c")
