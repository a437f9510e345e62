"""The data of a test environment: from a snapshot, which goes into `create`, or by a script, which is run when the environment is whole.

Test commands alone do this, and before anything is upgraded or tested. The script runs on this machine, in the directory of the block's
file, with the credentials of the run, and is told which environment it is in. What it says is told line by line. Where it fails, the test
has failed; afterwards the gates have to hold as they did before it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from immtf.adapters.process import Command, Ending, follow
from immtf.adapters.terraform.hcl import declared_variables
from immtf.errors import ImmtfError, Interrupted, UsageError
from immtf.model.events import Noted
from immtf.run import lifecycle
from immtf.run.upgrade import stage

if TYPE_CHECKING:
    from immtf.app.session import Session
    from immtf.model.block import Block, RestoreSpec
    from immtf.run.world import World

PATIENCE_S = 30.0


class RestoreFailed(ImmtfError):
    """The data of a test environment could not be filled."""


def begin_restore(session: Session, old: Block, *, elsewhere: bool = False) -> str:
    """Give the snapshot to the Terraform of the block that makes the environment; return its id, "" where there is none.

    `elsewhere`: a container makes it. Raises `UsageError` where it couldn't be made from the snapshot; nothing is made then.
    """
    spec = session.block.restore
    if spec is None or not spec.snapshot:
        return ""
    where = str(session.block.file)
    if elsewhere:
        what = "the previous version is made by its container, which doesn't know that its volumes come from a snapshot"
        raise UsageError(what, where=where, next="name it with --from DIR or git:REF, or fill the data by a script: `restore: { run: … }`")
    for block in {session.block.file: session.block, old.file: old}.values():
        if spec.variable not in declared_variables(block.terraform):
            what = f"block {block.name} {block.version} declares no Terraform variable {spec.variable}, which `restore` gives a snapshot to"
            raise UsageError(
                what, where=str(block.terraform), next=f'add variable "{spec.variable}" {{ default = null }}, or name another one'
            )
    session.target = replace(session.target, variables={**session.target.variables, spec.variable: spec.snapshot})
    return spec.snapshot


def finish_restore(session: Session) -> None:
    """Run the block's script where it has one, and see that every gate holds after it."""
    spec, world = session.block.restore, session.world
    if spec is None or not spec.run or world is None:
        return
    with stage(session.patience, "restore", "the block's own script fills the data"):
        _run(session, spec, world)
    with stage(session.patience, "settle", "every gate, now that there are data"):
        lifecycle.settle(world, session.patience, session.ledger, made=())


def _run(session: Session, spec: RestoreSpec, world: World) -> None:
    """Run the script to its end. Raises `RestoreFailed` where that isn't a good one, `Interrupted` where the run was asked to end."""
    last = ""

    def heard(line: str) -> None:
        nonlocal last
        last = line.strip() or last
        session.tell(Noted("info", f"restore: {line}"))

    nodes = {str(now.node): now.instance.address for now in world.nodes().values() if now.instance}
    command = Command(
        argv=["/bin/sh", "-c", f"exec 2>&1\n{spec.run}"],
        cwd=session.block.directory,
        environment={
            **session.target.process,
            "IMMTF_ENVIRONMENT": session.target.environment,
            "IMMTF_BLOCK_NAME": session.block.name,
            "IMMTF_NODES": json.dumps(nodes, sort_keys=True),
        },
        limit_s=spec.timeout_s,
        patience_s=PATIENCE_S,
        whole_group=True,
    )
    with TemporaryDirectory(prefix="immtf-") as scratch:
        out, err = Path(scratch, "stdout"), Path(scratch, "stderr")
        done = follow(command, stdout=out, stderr=err, on_line=heard, interrupted=session.signals.is_set)
    if done.ending is Ending.INTERRUPTED or session.signals.is_set():
        raise Interrupted("stopped as asked, while the data were filled", where=f"block {session.block.name}")
    if done.late or done.exit_code != 0:
        how = f"was ended after its limit of {spec.timeout_s:g} s" if done.late else f"ended with {done.exit_code}"
        said = f": {last}" if last else ""
        what = f"the script that fills the data {how}{said}"
        raise RestoreFailed(
            what, where=str(session.block.file), next="mend `restore.run`, or give it a longer `timeout`; then `immtf again`"
        )
