from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from immtf.report.picture import to_svg
from tests.unit.report.examples import HALT, START, make_finished, make_run


def words_of(svg: str) -> str:
    root = ET.fromstring(svg)  # noqa: S314 - made by ourselves a line above
    return " ".join("".join(root.itertext()).replace("\xa0", " ").split())


def test_the_picture_shows_plan_phases_with_their_times_and_the_summary_in_order() -> None:
    words = words_of(to_svg(make_run(), title="immtf upgrade"))
    parts = ["immtf upgrade", "upgrade consul 1.1.0", "quorum left", "apply node", "12 s", "at its target", "writes lost", "immtf's own"]
    places = [words.find(part, words.find("upgrade consul 1.1.0") if part != "immtf upgrade" else 0) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_waits_are_left_out() -> None:
    assert "does not hold" not in words_of(to_svg(make_run()))


def test_it_needs_nothing_from_elsewhere() -> None:
    svg = to_svg(make_run())
    assert "url(http" not in svg.replace('"', "")
    assert "@font-face" not in svg
    assert "monospace" in svg


def test_the_same_journal_gives_the_same_picture() -> None:
    assert to_svg(make_run()) == to_svg(make_run())


def test_width_is_in_characters() -> None:
    def wide(width: int) -> float:
        found = re.search(r'viewBox="0 0 ([\d.]+)', to_svg(make_run(), width=width))
        assert found is not None
        return float(found[1])

    assert wide(110) > wide(90)


def test_a_halt_is_in_the_picture() -> None:
    words = words_of(to_svg([(HALT, START), (make_finished("halted", 20), START)]))
    assert "immtf upgrade terraform/blocks/consul --yes" in words
