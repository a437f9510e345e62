"""`immtf lab order`: faults of the lab's cloud, scripted, so that a person can rehearse them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.options import HOME, not_empty, option
from immtf.errors import LabFailed, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.lab.client import Lab


@click.command()
@click.argument("action", required=False, callback=not_empty)
@option("--fail", metavar="CODE", help="Refuse the call with this code of AWS's, e.g. RequestLimitExceeded.")
@option("--late", type=click.FloatRange(min=0), metavar="SECONDS", help="Carry the call out after so many seconds.")
@option("--stuck", is_flag=True, help="Accept the call; what it begins never ends.")
@option("--stale", is_flag=True, help="Answer a Describe… with what it was answered before.")
@option("--drop", is_flag=True, help="End the connection without doing anything.")
@option("--drop-answer", is_flag=True, help="Carry the call out and end the connection without an answer.")
@option("--resource", metavar="ID", help="Only calls that name this: an instance, a volume, an address.")
@option("--times", type=click.IntRange(min=1), help="How often; 1 without --for, else as often as it comes.")
@option("--for", "seconds", type=click.FloatRange(min=0), metavar="SECONDS", help="For how long from now; 0 is until --clear.")
@option("--every", type=click.IntRange(min=1), default=1, help="One call in so many, not each.")
@option("--clear", is_flag=True, help="Forget all orders. What is stuck stays so until it is asked for again.")
@option("--name", default="default", variable="IMMTF_LAB_NAME", help="Which lab.")
@HOME
def order(action: str | None, name: str, home: Path, *, clear: bool, **rule: Any) -> None:
    """Order a fault of the lab's cloud: the next ACTION (RunInstances, ec2.Describe*, ssm.SendCommand) goes wrong.

    Exactly one option says how: for example `immtf lab order RunInstances --fail InsufficientInstanceCapacity --for 60`, or
    `immtf lab order DetachVolume --stuck`. Without an action the orders that still hold are listed.
    """
    found = _lab(home, name)
    if clear:
        found.clear_orders()
        click.echo(f"lab {name}: no orders")
    if action is not None:
        _give(found, action, rule)
    elif any(value not in (None, False) for name, value in rule.items() if name != "every"):
        raise UsageError(
            "which call goes wrong is not said", where="immtf lab order", next="name its ACTION, e.g. DetachVolume, or '*' for any"
        )
    elif not clear:
        for row in found.orders():
            click.echo(json.dumps(row))


def _give(lab: Lab, action: str, rule: dict[str, Any]) -> None:
    then, seconds, times = _effect(rule), rule["seconds"], rule["times"]
    times = 1 if times is None and seconds is None else times
    lab.order(action, then, resource=rule["resource"], times=times, seconds=seconds or None, every=rule["every"])


def _effect(rule: dict[str, Any]) -> str | dict[str, Any]:
    """Return what is to happen; exactly one of the options must say it."""
    words = {"stuck": rule["stuck"], "stale": rule["stale"], "drop": rule["drop"], "drop-answer": rule["drop_answer"]}
    found: list[str | dict[str, Any]] = [word for word, given in words.items() if given]
    if rule["fail"] is not None:
        found.append({"fail": {"code": rule["fail"]}})
    if rule["late"] is not None:
        found.append({"late": rule["late"]})
    if len(found) != 1:
        ways = "--fail CODE, --late SECONDS, --stuck, --stale, --drop or --drop-answer"
        raise UsageError(f"{len(found)} faults are ordered, not one", where="immtf lab order", next=f"give one of {ways}")
    return found[0]


def _lab(home: Path, name: str) -> Lab:
    from immtf.cli.place import lab_directory
    from immtf.lab import client

    found = client.find(lab_directory(home, name))
    if found is None:
        raise LabFailed(f"no lab {name} is up", where=str(home), next=f"immtf lab up --name {name} --home {home}")
    return found
