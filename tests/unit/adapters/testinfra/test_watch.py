"""What is told of tests that take long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.adapters.testinfra.watch import Watch, read_tail
from tests.fakes.clock import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path


def test_now_and_then_the_test_under_way_is_told(tmp_path: Path) -> None:
    clock, told, under_way = VirtualClock(), list[str](), tmp_path / "under-way"
    asked = Watch(lambda: clock.now >= 40, told.append, "server/a", clock.monotonic, every_s=15).over(under_way)
    while not asked():
        clock.sleep(1)
        if clock.now == 20:
            under_way.write_text("test_slow")
    assert clock.now == 40
    assert told == ["server/a: the tests go on", "server/a: the tests go on, test_slow is under way"]


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "said"
    file.write_bytes(b"x" * 100_000 + b"\xff end")
    assert read_tail(file).endswith("\ufffd end")
    assert len(read_tail(file)) < 30_000
    assert read_tail(tmp_path / "none") == ""
