"""How the order of an infrastructure grows with its blocks: `python -m tests.benchmarks.graph`.

Each shape is ordered at 500, 1000 and 2000 blocks in one run, in the processor's time. What counts are the ratios: twice the blocks should
take about twice the time, whatever machine this is. `--files` writes 500 blocks to a temporary directory besides and has `immtf graph` and
a dry run of `immtf create` read and order them, by the clock on the wall; nearly all of that is for reading YAML.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from immtf.plan.drawing import draw
from immtf.plan.graph import Graph
from immtf.plan.transitions import order_upgrade
from immtf.report.graph_picture import graph_svg
from tests.fakes.infrastructure import SHAPES, make_deployed, make_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.block import Block

SIZES = (500, 1000, 2000)
ROUNDS = 3


def parts(shape: str, count: int, version: str = "2.0.0", constraint: str = ">= 1.0") -> dict[str, Block]:
    needs = SHAPES[shape](count)
    return {f"b{place}": make_part(f"b{place}", version, {f"b{need}": constraint for need in needs[place]}) for place in range(count)}


def upgrade(shape: str, count: int) -> Callable[[], object]:
    deployed = make_deployed(*parts(shape, count, "1.0.0", "~> 1.0").values())
    wanted = parts(shape, count)
    return lambda: order_upgrade(deployed, wanted)


def order(shape: str, count: int) -> Callable[[], object]:
    blocks = parts(shape, count)
    return lambda: (Graph(blocks).order(), Graph(blocks).closure([f"b{count - 1}"]))


def picture(shape: str, count: int) -> Callable[[], object]:
    graph = Graph(parts(shape, count))
    return lambda: graph_svg(draw(graph))


ACTS = {"order": order, "upgrade": upgrade, "picture": picture}


def seconds(act: Callable[[], object]) -> float:
    """Return the best of some rounds: what the machine did besides only ever adds."""
    taken = []
    for _ in range(ROUNDS):
        began = process_time()
        act()
        taken.append(process_time() - began)
    return min(taken)


def measure() -> None:
    print(f"{'':24}" + "".join(f"{size:>10} " for size in SIZES) + "   ratios")  # noqa: T201
    for name, make in ACTS.items():
        for shape in SHAPES:
            found = [seconds(make(shape, size)) for size in SIZES]
            ratios = "  ".join(f"{later / sooner:.2f}" for sooner, later in pairwise(found))
            print(f"{name:10}{shape:14}" + "".join(f"{1000 * item:8.1f} ms" for item in found) + f"   {ratios}")  # noqa: T201


def from_files(count: int = SIZES[0]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, block in parts("layers", count, "1.0.0", "~> 1.0").items():
            home = Path(directory, name)
            home.mkdir()
            needs = "".join(f'  {need}: "{text}"\n' for need, text in block.requires.items())
            (home / "immtf.yaml").write_text(f"block: {name}\nversion: {block.version}\n" + (f"requires:\n{needs}" if needs else ""))
            (home / "main.tf").write_text("")
        for arguments in (["graph", directory], ["create", directory, "--dry-run"]):
            began = perf_counter()
            done = subprocess.run([sys.executable, "-m", "immtf", *arguments], capture_output=True, text=True, check=False)
            lines = len(done.stdout.splitlines())
            print(f"immtf {arguments[0]} of {count} blocks: {perf_counter() - began:.1f} s, exit {done.returncode}, {lines} lines")  # noqa: T201
            print(done.stderr[-500:], end="")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", action="store_true", help="also from 500 files")
    measure()
    if parser.parse_args().files:
        from_files()
