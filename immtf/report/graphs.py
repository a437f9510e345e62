"""The graph of an infrastructure as text and as DOT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.drawing import Drawing, DrawnBlock, Mood, Need, Standing

_FILL: Final[dict[Mood, str]] = {"plain": "#ffffff", "good": "#dcf3e0", "bad": "#fbdcd9", "unknown": "#fdf0c8"}


def graph_text(drawing: Drawing) -> str:
    """Return a graph as lines: the blocks of each stage, what each requires, how it stands."""
    lines = [drawing.title] if drawing.title else []
    for number, stage in enumerate(drawing.stages(), 1):
        lines.append(f"stage {number}")
        for block in stage:
            lines.append(f"  {head(block)}")
            lines += [f"    {line}" for line in _lines(block)]
    return "".join(f"{line}\n" for line in lines)


def graph_dot(drawing: Drawing) -> str:
    """Return a graph in Graphviz's language: producers above, an edge from each block down from what it requires."""
    lines = [
        "digraph immtf {",
        "  rankdir=TB;",
        '  node [shape=box, style="rounded,filled", fontname="monospace", color="#57606a"];',
        '  edge [fontname="monospace", fontsize=10, color="#57606a", dir=back];',
    ]
    lines += [f"  label={_quoted(drawing.title)};"] if drawing.title else []
    for stage in drawing.stages():
        names = "".join(f" {_quoted(block.name)};" for block in stage)
        lines.append(f"  {{ rank=same;{names} }}")
    for block in drawing.blocks:
        label = "\n".join((head(block), *standing_words(block.standing)))
        lines.append(f'  {_quoted(block.name)} [label={_quoted(label)}, fillcolor="{fill(block.mood)}"];')
        lines += [f"  {_quoted(need.name)} -> {_quoted(block.name)} [{_edge(need)}];" for need in block.needs]
    return "\n".join([*lines, "}"]) + "\n"


def head(block: DrawnBlock) -> str:
    """Return a block's name and version, as its file has it."""
    return plain(f"{block.name} {block.version or '(no file here)'}")


def need_words(need: Need) -> str:
    """Return a constraint, and that it isn't met where it isn't."""
    return plain(need.constraint if need.fits else f"{need.constraint}, which {need.version} is not")


def standing_words(standing: Standing | None) -> tuple[str, ...]:
    """Return how a block stands, line by line; nothing where no environment was looked at."""
    if standing is None:
        return ()
    if standing.is_deployed is False:
        return ("not deployed",)
    return tuple(map(plain, _deployed(standing)))


def fill(mood: Mood) -> str:
    """Return the colour of a block."""
    return _FILL[mood]


def _lines(block: DrawnBlock) -> Iterator[str]:
    yield from (f"requires {plain(need.name)} {need_words(need)}" for need in block.needs)
    yield from standing_words(block.standing)


def _deployed(standing: Standing) -> Iterator[str]:
    yield f"deployed {standing.version or 'in an unknown version'}" if standing.is_deployed else "not known whether it is deployed"
    if standing.problem:
        yield standing.problem
    if standing.nodes:
        well = sum(node.mood == "good" for node in standing.nodes)
        yield f"{well} of {len(standing.nodes)} nodes healthy"
        yield from (f"{node.name}: {node.words}" for node in standing.nodes if node.mood != "good")


def _edge(need: Need) -> str:
    return f"label={_quoted(need_words(need))}" + ("" if need.fits else ', color="#cf222e", fontcolor="#cf222e", penwidth=2')


def _quoted(text: str) -> str:
    """Return a text as Graphviz reads it: in quotes; a line's end is the one escape that is wanted."""
    lines = (plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'
