from __future__ import annotations

import pytest

from immtf.report.wording import clock, counted, duration, percent, plain, within_module


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 m"),
        (71.2, "1 m 11 s"),
        (3599.7, "1 h 00 m"),
        (7380, "2 h 03 m"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_time_since_the_start() -> None:
    assert [clock(0), clock(-1), clock(187.9), clock(3723)] == ["00:00", "00:00", "03:07", "1:02:03"]


def test_counts_and_shares() -> None:
    assert [counted(1, "write"), counted(1204, "write")] == ["1 write", "1,204 writes"]
    assert [percent(1, 4), percent(1, 0)] == ["25 %", "-"]


@pytest.mark.parametrize(
    ("address", "short"),
    [
        ('module.node["a"].aws_instance.this', "aws_instance.this"),
        ('module.a.module.b[0].aws_instance.this["x.y"]', 'aws_instance.this["x.y"]'),
        ('module.node["a].b\\"module.c."].aws_ebs_volume.data', "aws_ebs_volume.data"),
        ("aws_instance.this", "aws_instance.this"),
        ("", ""),
    ],
)
def test_addresses_within_their_module(address: str, short: str) -> None:
    assert within_module(address) == short


def test_foreign_text_becomes_one_printable_line() -> None:
    assert plain(" a\x1b[1;31mb\x1b[0m\n\tc\x07 \x9b") == "ab c"
    assert plain("größer [bold]x[/] :smile:") == "größer [bold]x[/] :smile:"
