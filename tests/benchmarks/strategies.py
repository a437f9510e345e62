"""How long a node is away, and what a roll costs: both strategies, the plain way and the floor, one beside the other in the same run.

    python -m tests.benchmarks.strategies DIRECTORY                        # three Consul servers; bare instances, 3 and 9: the short form
    python -m tests.benchmarks.strategies DIRECTORY --full                 # bare instances up to 81: hours
    python -m tests.benchmarks.strategies DIRECTORY --nodes 3,9 --json F   # which sizes; where the figures go
    python -m tests.benchmarks.strategies DIRECTORY --only consul          # or bare

Prints tables with the goals beside what was measured. Times depend on the machine and on what else it does; ratios within one run are what
counts, and no goal that is missed makes the exit code another. docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from tests.benchmarks import bare, floor
from tests.benchmarks.eyes import Eyes, watching
from tests.benchmarks.figures import goals, goals_table, growth_of, sizes_table, ways_table
from tests.benchmarks.usage import Account, Shim, metered
from tests.lab.child import Child, environment
from tests.lab.rehearsal import REPOSITORY, Rehearsal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.lab.toolchain import Tools

SHORT = (3, 9)
FULL = (3, 9, 27, 81)
OLD, NEW = "1.0.0", "1.1.0"
STRATEGIES = ("replace", "swap")
ROLL_LIMIT_S = 1800.0
HEALTHY_LIMIT_S = 300.0
VERSION = 1

FIGURE = {"type": ["number", "null"]}
NODE = ("away_s", "healthy_s", "write_gap_s", "failed_writes")
COST = ("seconds", "terraform_runs", "aws_calls", "cpu_s")


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


SCHEMA = _object(
    version={"const": VERSION},
    machine=_object(cores=FIGURE, load_before=FIGURE, load_after=FIGURE),
    ways={
        "type": "object",
        "additionalProperties": _object(
            total_s=FIGURE,
            nodes={
                "type": "array",
                "items": _object(node={"type": "string"}, role={"enum": ["follower", "leader"]}, **dict.fromkeys(NODE, FIGURE)),
            },
        ),
    },
    bare={
        "type": "array",
        "items": _object(
            strategy={"enum": list(STRATEGIES)},
            size={"type": "integer"},
            peak_mb=FIGURE,
            node=_object(**dict.fromkeys(COST, FIGURE)),
            before=_object(**dict.fromkeys(COST, FIGURE)),
        ),
    },
    growth={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": FIGURE}},
    goals={"type": "array", "items": _object(name={"type": "string"}, figure=FIGURE, most=FIGURE, met={"type": ["boolean", "null"]})},
)
"""What the JSON file holds at least; a figure that wasn't measured, or never ended, is null."""


def say(text: str) -> None:
    """Tell a person how far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def close_to_logs(rehearsal: Rehearsal) -> None:
    """Have the copied images log what Serf and Raft do."""
    for file in rehearsal.block.glob("lab/images/consul/*/etc/consul.d/image.json"):
        file.write_text(file.read_text().replace('"WARN"', '"INFO"'))


@contextmanager
def cluster(directory: Path, *, swap: bool = False) -> Iterator[tuple[Rehearsal, Eyes]]:
    """Give a cluster of three servers that runs, and watch it."""
    rehearsal = Rehearsal(directory)
    try:
        if swap:
            rehearsal.swap()
        close_to_logs(rehearsal)
        rehearsal.create(OLD)
        fixed = {node: address for node, (address, _) in rehearsal.cloud.interfaces().items()} if swap else {}
        addresses = fixed or {item.node: item.address for item in rehearsal.cloud.machines()}
        with watching(addresses) as eyes:
            eyes.until_healthy(time.monotonic(), HEALTHY_LIMIT_S)
            yield rehearsal, eyes
    finally:
        rehearsal.close()


def serf_failures(rehearsal: Rehearsal) -> int:
    """Count the lines in the servers' logs in which Serf says that a member failed."""
    logs = (rehearsal.home / "labs/default/logs").glob("*.log")
    return sum(log.read_text(errors="replace").count("EventMemberFailed") for log in logs)


def rolled(rehearsal: Rehearsal, eyes: Eyes, child: Child, account: Account) -> dict[str, Any]:
    """Wait for the end of a roll, and return what it was like and what it cost."""
    failures = serf_failures(rehearsal)
    with metered(child.pid) as meter:
        ended = child.ended(ROLL_LIMIT_S).expect(0)
    spent, done = account.spent(), time.monotonic()
    eyes.until_healthy(done, HEALTHY_LIMIT_S)
    row = {"nodes": eyes.rows(account.began, time.monotonic()), **spent, "peak_mb": meter.peak_mb}
    assert len(row["nodes"]) == len(eyes.addresses), f"only of these an absence was seen: {row['nodes']}"
    row["failures_logged"] = serf_failures(rehearsal) - failures
    if ended.events:
        row |= {name: ended.last[name] for name in ("own_s", "terraform_s", "servers_s", "away_s")}
    else:
        row["steps"] = [json.loads(line) for line in ended.stdout.splitlines()]
    return row


def by_immtf(rehearsal: Rehearsal, eyes: Eyes, shim: Shim) -> dict[str, Any]:
    """Roll with immtf, as people do."""
    account = Account(rehearsal.lab, shim)
    child = rehearsal.begin("upgrade", "--yes", variables={"IMMTF_TERRAFORM": str(shim.program)})
    return rolled(rehearsal, eyes, child, account)


def by_hand(rehearsal: Rehearsal, eyes: Eyes, shim: Shim, cli_config: Path) -> dict[str, Any]:
    """Roll the same environment with the plain script, back to the old image, in a copy of the configuration with the same state."""
    root = plain_root(rehearsal)
    variables = {"IMMTF_TERRAFORM": str(shim.program), "TF_CLI_CONFIG_FILE": str(cli_config), "CHECKPOINT_DISABLE": "1"}
    images = {row["version"]: row["image_id"] for row in rehearsal.lab.images()}
    nodes = [f"{node}={address}" for node, address in eyes.addresses.items()]
    kept = environment(REPOSITORY) | rehearsal.lab.environment() | variables
    Child([str(shim.program), f"-chdir={root}", "init", "-input=false"], rehearsal.directory, rehearsal.home, kept).ended(300).expect(0)
    account = Account(rehearsal.lab, shim)
    argv = [sys.executable, "-m", "tests.benchmarks.plain", "roll", str(root), images[OLD], *nodes]
    child = Child(argv, rehearsal.directory, rehearsal.home / "none", kept)
    try:
        return rolled(rehearsal, eyes, child, account)
    finally:
        child.kill(tree=True)


def plain_root(rehearsal: Rehearsal) -> Path:
    """Copy the configuration, with what says where the state and the lab are."""
    (override,) = (rehearsal.home / "labs/default/environments").glob("consul/work/*/**/immtf_override.tf.json")
    tree = rehearsal.directory / "plain/terraform"
    shutil.copytree(rehearsal.block.parents[1], tree, ignore=shutil.ignore_patterns(".terraform*", ".immtf"))
    root = tree / "blocks/consul"
    for file in override.parent.glob("immtf_*.tf.json"):
        shutil.copy(file, root / file.name)
    (root / "terraform.tfvars.json").write_text(json.dumps({"network_cidr": rehearsal.lab.cidr}))
    return root


def on_one_address(directory: Path, tools: Tools, ways: dict[str, Any]) -> None:
    """Measure replace, and then the plain way on the same three Consul servers."""
    shim = Shim.made(directory / "shim", tools.terraform)
    with cluster(directory / "replace") as (rehearsal, eyes):
        say("replace: the roll")
        ways["replace"] = by_immtf(rehearsal, eyes, shim)
        say("the plain way: the roll")
        ways["plain"] = by_hand(rehearsal, eyes, shim, tools.cli_config)


def on_interfaces(directory: Path, tools: Tools, ways: dict[str, Any]) -> None:
    """Measure swap, and then the floor on the same three Consul servers, whose addresses are on interfaces of their own."""
    shim = Shim.made(directory / "shim", tools.terraform)
    with cluster(directory / "swap", swap=True) as (rehearsal, eyes):
        say("swap: the roll")
        ways["swap"] = by_immtf(rehearsal, eyes, shim)
        say("the floor: moves by bare calls, then restarts")
        ways["floor"] = floor.each(rehearsal.lab, rehearsal.cloud, eyes, floor.move)
        ways["restart"] = floor.each(rehearsal.lab, rehearsal.cloud, eyes, floor.restart)


def sizes(directory: Path, tools: Tools, wanted: tuple[int, ...], rows: list[dict[str, Any]]) -> None:
    """Measure what a node costs in states of these sizes, for each strategy."""
    for size in wanted:
        for strategy in STRATEGIES:
            say(f"{size} bare instances, {strategy}")
            rows.append(bare.measure(directory / f"{strategy}-{size}", tools.terraform, strategy, size))


def whole(ways: dict[str, Any], rows: list[dict[str, Any]], loads: tuple[float, float]) -> dict[str, Any]:
    """Put together what the JSON file holds."""
    growth = growth_of(rows)
    machine = {"cores": os.cpu_count(), "load_before": loads[0], "load_after": loads[1]}
    found = [{**asdict(goal), "figure": None if goal.figure == math.inf else goal.figure, "met": goal.met} for goal in goals(ways, growth)]
    return {"version": VERSION, "machine": machine, "ways": ways, "bare": rows, "growth": growth, "goals": found}


def tables(ways: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Write all that was measured for a person."""
    parts = [ways_table(ways) if ways else "", sizes_table(rows) if rows else "", goals_table(goals(ways, growth_of(rows)))]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    """Measure, write the JSON, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="for labs and logs; must not exist")
    parser.add_argument("--nodes", default=",".join(map(str, SHORT)), help="sizes of bare states, with commas between")
    parser.add_argument("--full", action="store_true", help=f"sizes {FULL}")
    parser.add_argument("--only", choices=("consul", "bare"))
    parser.add_argument("--json", type=Path, help="default: strategies.json in the directory")
    options = parser.parse_args()
    directory = options.directory.resolve()
    directory.mkdir(parents=True)
    tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready()
    before, ways, rows = os.getloadavg()[0], dict[str, Any](), list[dict[str, Any]]()
    try:
        if options.only != "bare":
            on_one_address(directory, tools, ways)
            on_interfaces(directory, tools, ways)
        if options.only != "consul":
            sizes(directory, tools, FULL if options.full else tuple(int(size) for size in options.nodes.split(",")), rows)
    finally:  # what was measured before a fault is measured
        found = whole(ways, rows, (before, os.getloadavg()[0]))
        (options.json or directory / "strategies.json").write_text(json.dumps(found, indent=2) + "\n")
        sys.stdout.write(tables(ways, rows))


if __name__ == "__main__":
    main()
