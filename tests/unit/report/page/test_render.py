from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.model.rows import PlanRow
from immtf.report.entries import spoken
from immtf.report.journals import read_journal
from immtf.report.lists import end_cells, summary_cells
from immtf.report.page.codec import from_page
from immtf.report.page.fold import account_of
from immtf.report.page.render import MOST_BYTES, to_html
from immtf.report.wording import duration
from tests.unit.report.examples import EXAMPLES, FAILED, HALT, NODE, make_run
from tests.unit.report.page.runs import DATA, HOSTILE, REAL, Page, large, real, timed

if TYPE_CHECKING:
    from immtf.model.events import Event

ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "h1",
    "h2",
    "h3",
    "p",
    "span",
    "b",
    "section",
    "article",
    "div",
    "ul",
    "li",
}
ALLOWED |= {"table", "caption", "thead", "tbody", "tr", "th", "td", "code", "script", "svg", "desc", "rect", "path", "g", "text"}
ADDRESSES = {"src", "href", "xlink:href", "action", "data", "srcset", "poster", "background", "formaction"}


def page_of(*events: Event) -> Page:
    return checked(to_html(account_of(timed(events), "r")))


def checked(html: str) -> Page:
    """Return the page, once it is known to be whole, small, of known tags only, and without anything from elsewhere."""
    assert len(html.encode()) < MOST_BYTES
    page = Page(html)
    assert page.names() <= ALLOWED, page.names() - ALLOWED
    for tag, attributes in page.tags:
        assert not ADDRESSES & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "script":
            assert attributes["type"] == "application/json"
    assert set(re.findall(r"https?://[^\s\"'<>]*", "".join(re.split(r"<script.*?</script>", html, flags=re.DOTALL)))) <= {
        "http://www.w3.org/2000/svg"
    } | set(re.findall(r"https?://[^\s\"'<>]*", "".join(page.words)))
    assert "@import" not in html.split("</style>", maxsplit=1)[0]
    assert "url(" not in html.split("</style>", maxsplit=1)[0]
    for picture in page.pictures():
        assert [child.tag.split("}")[1] for child in picture][:2] == ["title", "desc"]
        assert "" not in [(child.text or "").strip() for child in list(picture)[:2]]
    return page


def hostile(text: str) -> list[Event]:
    """Return a run in which every text is this one."""
    row = PlanRow(text, text, text, text, text, (text,), (text,), text)
    about: list[Event] = [
        e.RunStarted(text, text, text, text, text, text),
        e.PlanMade((row,), (text,), text),
        e.StageStarted(text, text),
        e.NodeStarted(text, 1, 1, text, text),
        e.StepStarted(text, text, text),
        e.StepFinished(text, text, 9.0, text),
        e.StepSkipped(text, text, text),
        e.GateAsked(text, text, False, text, 0, 3, 1.0, 2.0),
        e.TerraformTold(text, "diagnostic", text, text, 0.0, text),
        e.CheckOverridden(text, text, text, text),
        e.Noted("warning", text),
        b.BlockStarted(text, text, 1, 1),
        b.BlockTold(text, e.ProbeReported(7, 0, 3.0, 0.0)),
        b.BlockEnded(text, "failed", 20, text, text, 3.0),
        e.NodeSkipped(text, text),
        e.RunHalted(text, text, text, text, 20),
    ]
    return [*about, e.RunFinished(text, 1, 1, 2, 0, 3.0, {text: 1.0}, 1, 1, 9.0, 1.0, 1.0, 1.0, 20)]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_server_says_never_becomes_markup(text: str) -> None:
    calm, page = page_of(*hostile("calm words")), page_of(*hostile(text))
    assert [(tag, sorted(attributes)) for tag, attributes in page.tags] == [(tag, sorted(attributes)) for tag, attributes in calm.tags]
    assert "\u202e" not in page.source
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", page.source)


@given(st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=40)
def test_nor_does_any_other_text(text: str) -> None:
    page_of(*hostile(text))


@pytest.mark.parametrize("text", ["x" * 3_000_000, '\U0001f4a9"<&\u2028' * 300_000], ids=["plain", "dear"])
def test_megabytes_of_words_are_cut_and_that_is_said(text: str) -> None:
    page = page_of(*hostile(text))
    assert re.search(r"\d+ texts cut after \d+ signs", "".join(page.words))


def test_of_81_nodes_and_10_000_events_a_page_is_small_and_says_what_it_leaves_out() -> None:
    told = large(81, gates=115)
    assert len(told) > 10_000
    page = checked(to_html(account_of(told, "r")))
    words = "".join(page.words)
    assert "server/080" in words
    assert "are here" in words
    assert f"{len(told):,} events" in words


@pytest.mark.parametrize("dear", [False, True])
def test_of_300_nodes_and_texts_that_take_much_room_too(*, dear: bool) -> None:
    text = "".join(HOSTILE) * 3 if dear else "3 of 3"
    told = large(300, gates=4, text=text)
    if dear:
        told = [*told[:-1], *timed([e.Noted("warning", f"{number} {text}") for number in range(200)]), told[-1]]
    known = account_of(told, "r")
    for html in (to_html(known), to_html(known, known)):
        assert "are here" in "".join(checked(html).words)


@pytest.mark.parametrize("length", range(0, 457, 19))
def test_every_beginning_of_a_real_journal_makes_a_page(length: int) -> None:
    """F5: a run that was killed; its last word may be any."""
    told = read_journal(DATA / "upgraded.jsonl")[:length]
    page = checked(to_html(account_of(told, "r")))
    assert ("unfinished" in "".join(page.words)) == (length < 456)


class TestTheSameAsTheTextReport:
    @pytest.mark.parametrize("name", REAL)
    def test_figures(self, name: str) -> None:
        ends = [event for event, _ in read_journal(DATA / f"{name}.jsonl") if isinstance(event, e.RunFinished)]
        page = checked(to_html(real(name)))
        for end in ends:
            for what, value in summary_cells(end):
                if not what.startswith("away "):
                    assert follows(page.cells, what.strip(), value)
            for node, seconds in end.away_s.items():
                assert page.cells[page.cells.index(node) + 2] == duration(seconds)
        assert bool(ends) == ("Figures" in "".join(page.words))

    @pytest.mark.parametrize("name", REAL)
    def test_steps_of_nodes(self, name: str) -> None:
        told = [event for event, _ in read_journal(DATA / f"{name}.jsonl")]
        nodes = {event.node for event in told if isinstance(event, e.NodeStarted)}
        page = checked(to_html(real(name)))
        for event in told:
            if isinstance(event, e.StepFinished) and event.node in nodes:
                row = page.cells.index(event.node)
                column = page.cells.index(spoken(event.step)) - page.cells.index("node")
                assert page.cells[row + column] == duration(event.seconds)

    def test_how_blocks_ended(self) -> None:
        told = [event for event, _ in read_journal(DATA / "blocks.jsonl")]
        page = checked(to_html(real("blocks")))
        for cells in end_cells([event for event in told if isinstance(event, b.BlockEnded)]):
            place = page.cells.index(cells[0], page.cells.index("how it ended"))
            assert tuple(page.cells[place : place + 4]) == cells

    def test_a_halt_with_its_next_command(self) -> None:
        words = "".join(page_of(*EXAMPLES).words)
        for text in (HALT.what, HALT.safe, HALT.next, "exit 20", f"Halted at {NODE}", FAILED.problem):
            assert text in words


def follows(cells: list[str], what: str, value: str) -> bool:
    return (what, value) in itertools.pairwise(cells)


def test_why_things_were_skipped_and_whose_errors_are_is_told() -> None:
    cells = page_of(*EXAMPLES).cells
    assert follows(cells, "hand over leadership", "this node does not lead")
    assert follows(cells, "warning", "the run")
    assert follows(cells, "failed", "etcd")


def test_the_page_carries_the_run_and_gives_it_back() -> None:
    for name in REAL:
        assert from_page(to_html(real(name)), "x") == real(name)


def test_the_same_run_gives_the_same_page() -> None:
    assert to_html(account_of(make_run(), "r")) == to_html(account_of(make_run(), "r"))


def test_a_page_of_two_has_both_and_their_figures_side_by_side() -> None:
    page = checked(to_html(real("upgraded"), real("killed")))
    assert len(page.pictures()) == len(page.scripts) == 2
    place = page.cells.index("duration")
    assert page.cells[place : place + 5] == ["duration", "4 m 50 s", "-", "-", "-"]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_it_can_be_read_by_those_who_dont_see_it() -> None:
    page = checked(to_html(real("upgraded")))
    assert ("html", {"lang": "en"}) in page.tags
    assert page.names() >= {"title", "caption", "h1"}
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
        if tag == "svg":
            assert attributes["role"] == "img"
            named = str(attributes["aria-labelledby"]).split()
            assert named == [identity["id"] for _, identity in page.tags if identity.get("id") in named]
    counts = [sum(found == tag for found, _ in page.tags) for tag in ("table", "caption")]
    assert counts[0] == counts[1]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_they_stand_on(scheme: str) -> None:
    style = to_html(real("upgraded"))
    dark = r"@media screen and \(prefers-color-scheme:dark\)\{"
    found: dict[str, str] = {}
    for selector in (r":root", r"\.timeline"):
        block = re.search((dark if scheme == "dark" else r"\n") + selector + r"\{(--[^}]*)\}", style)
        assert block is not None
        found |= dict(re.findall(r"--(\w+):(#\w{6})", block[1]))
    texts = [("text", "back"), ("text", "shade"), ("dim", "back"), ("dim", "shade"), ("ok", "back"), ("wrong", "back"), ("ink", "paper")]
    texts += [("ink", tint) for tint in ("ts", "t0", "t1", "t2", "t3", "t4", "t5")]
    assert {pair: ratio for pair in texts if (ratio := contrast(found[pair[0]], found[pair[1]])) < 4.5} == {}
    boxes = [("bad", "paper"), ("good", "paper"), ("line", "paper")]
    assert {pair: ratio for pair in boxes if (ratio := contrast(found[pair[0]], found[pair[1]])) < 3} == {}


def test_on_paper_it_is_light() -> None:
    """Every dark rule is for screens."""
    html = to_html(real("upgraded"))
    assert html.count("prefers-color-scheme:dark") == html.count("@media screen and (prefers-color-scheme:dark)") == 2
    assert "@media print" in html


def test_the_picture_stands_alone() -> None:
    """Its colours and its background come with it: docs/report.svg is cut out of a page."""
    (picture,) = checked(to_html(real("upgraded"))).pictures()
    style = next(child for child in picture if child.tag.endswith("style"))
    rules = set(re.findall(r"\.timeline \.(\w+)", style.text or ""))
    used = {name for child in picture.iter() for name in child.get("class", "").split()} - {"timeline"}
    assert used <= rules


def test_a_node_of_which_only_its_time_away_is_told_has_a_row() -> None:
    end = e.RunFinished("done", 1, 1, None, None, None, {"server/z": 4.0})
    cells = page_of(end).cells
    assert cells[cells.index("server/z") :][:3] == ["server/z", "", "4.0 s"]


def test_each_nodes_calls_stand_in_its_row_and_over_time_in_the_picture() -> None:
    told = [
        e.NodeStarted(NODE, 1, 1, "replace", "why"),
        e.StepFinished(NODE, "StopNode", 1.0, "ok", 1204, 2),
        e.StepFinished(NODE, "ApplyNode", 1.0, "ok", 1239, 5),
        e.NodeFinished(NODE, 2.0, 1.0, "i-1"),
    ]
    page = to_html(account_of(timed(told), "r"))
    assert '<th scope="col">AWS calls</th>' in page
    assert '<td class="r">1,239</td><td class="r">5</td>' in page
    assert "at most 35.0 a second" in page
    assert "AWS calls" not in to_html(account_of(timed([e.NodeStarted(NODE, 1, 1, "replace", "why")]), "r")), "where nobody counted"
