"""The commands on a block: plan, create, upgrade, rollback, destroy, status, test-create, test-upgrade."""

from __future__ import annotations

from functools import partial
from typing import Any

import rich_click as click

from immtf.cli.many_options import MANY, NEIGHBOURS, ONLY_BLOCK
from immtf.cli.options import ACCEPT, ALLOW, IMAGE, JUNIT, LEASE_TTL, MOVE_LIMIT, ONLY, YES, Options, option, shared
from immtf.cli.testing import TESTING


@click.command()
@shared(IMAGE, ONLY, *MANY, *ALLOW, NEIGHBOURS)
def plan(**arguments: Any) -> int:
    """Show what `upgrade` would do: node by node, in which order, and why. Exit code 10 when there is something to do.

    BLOCK is the directory of a block, without it the current one; or an infrastructure: a directory of blocks, or a lock.
    """
    from immtf.app import upgrade as use
    from immtf.cli.many import many
    from immtf.cli.sessions import run

    options = Options(**arguments)
    return many("plan", options, lambda: run("plan", options, lambda session: use.plan(session, options.image, options.only)))


@click.command()
@shared(IMAGE, ONLY_BLOCK, *MANY, ACCEPT, *ALLOW, LEASE_TTL, JUNIT, YES, NEIGHBOURS)
def create(**arguments: Any) -> int:
    """Make a block's environment, and wait until its clusters are whole.

    BLOCK is the directory of a block, without it the current one; or an infrastructure: a directory of blocks, or a lock.
    """
    from immtf.app import lifecycle as use
    from immtf.cli.many import many
    from immtf.cli.sessions import confirmer, run

    options = Options(**arguments)
    return many("create", options, lambda: run("create", options, lambda session: use.create(session, options.image, confirmer(options))))


@click.command()
@shared(IMAGE, ONLY, *MANY, ACCEPT, *ALLOW, LEASE_TTL, MOVE_LIMIT, JUNIT, YES, NEIGHBOURS)
def upgrade(**arguments: Any) -> int:
    """Re-create the nodes of a block from the wanted image, one at a time, each keeping its volumes.

    A run that was stopped or killed is finished by running this again.
    BLOCK is the directory of a block, without it the current one; or an infrastructure: a directory of blocks, or a lock.
    """
    from immtf.app import upgrade as use
    from immtf.cli.many import many
    from immtf.cli.sessions import confirmer, run

    options = Options(**arguments)

    def body(session: Any) -> Any:
        return use.upgrade(session, options.image, options.only, confirmer(options))

    return many("upgrade", options, lambda: run("upgrade", options, body))


@click.command()
@shared(ACCEPT, *ALLOW, LEASE_TTL, MOVE_LIMIT, JUNIT, YES)
@option("--node", required=True, metavar="NODE", help="The node that goes back, e.g. server/a.")
@option("--image", metavar="ID|VERSION", help="The image to go back to; without it one that the other nodes run.")
def rollback(**arguments: Any) -> int:
    """Re-create one node from the image before, keeping its volumes, through the same gates as an upgrade. No other node is touched.

    Refused where the images tell that the format of the data changed (tag immtf:data-format).
    BLOCK is the directory of a block; without it, the current one.
    """
    from immtf.app import rollback as use
    from immtf.cli.sessions import confirmer, run

    options = Options(**arguments)
    return run("rollback", options, lambda session: use.rollback(session, options.node, options.image, confirmer(options)))


@click.command()
@shared(ONLY_BLOCK, *MANY, *ALLOW, LEASE_TTL, YES, NEIGHBOURS)
@option(
    "--confirm",
    "confirmed",
    metavar="NAME",
    help="The block's name, or of an infrastructure the environment's (without one its blocks' names, with commas between them), where no "
    "terminal is there to type it at.",
)
def destroy(confirmed: str | None, **arguments: Any) -> int:
    """Delete a block's environment, the data on its volumes too. Outside of tests the block's name has to be typed.

    BLOCK is the directory of a block, without it the current one; or an infrastructure: a directory of blocks, or a lock.
    """
    from immtf.app import lifecycle as use
    from immtf.cli.many import many
    from immtf.cli.orphans import settled
    from immtf.cli.sessions import confirmer, run

    options = Options(**arguments)

    def body(session: Any) -> Any:
        name = None if session.target.is_test or confirmed == session.block.name else session.block.name
        return use.destroy(session, (lambda _question: None) if confirmed == session.block.name else confirmer(options, name=name))

    code = many("destroy", options, lambda: run("destroy", options, body), confirmed)
    if code == 0 and options.environment and not options.lab:
        settled(options.home, options.environment)
    return code


@click.command()
@shared(ONLY_BLOCK, *MANY)
def status(**arguments: Any) -> int:
    """Show every node: instance, image, volumes, mounted, role, health; and what an unfinished run left.

    BLOCK is the directory of a block, without it the current one; or an infrastructure: a directory of blocks, or a lock.
    """
    from immtf.app import lifecycle as use
    from immtf.cli.many import many
    from immtf.cli.sessions import run

    options = Options(**arguments)
    return many("status", options, lambda: run("status", options, use.status))


@click.command("test-create")
@shared(IMAGE, *TESTING, *ALLOW, LEASE_TTL, JUNIT, YES)
def test_create(**arguments: Any) -> int:
    """Create a block in an environment of its own, with the blocks that it needs, see it whole, and destroy it all.

    BLOCK is the directory of a block; without it, the current one.
    """
    from immtf.app import rehearsal as use
    from immtf.cli.sessions import confirmer, run
    from immtf.cli.testing import ground_of

    options = Options(**arguments)
    ground = ground_of(options)
    confirmer(options, again=options.again("test-create"))("Create a test environment, and destroy it afterwards?")
    body = partial(use.test_create, image=options.image, ground=ground)
    return run("test-create", options, body, test=True, also=ground.producers)


@click.command("test-upgrade")
@shared(IMAGE, *TESTING, *ALLOW, LEASE_TTL, MOVE_LIMIT, JUNIT, YES)
@option(
    "--from",
    "source",
    metavar="VERSION|DIR|git:REF|image:NAME:TAG",
    help="The previous version: of the image, or of the block in a directory, a git revision or a container image, which then makes it.",
)
def test_upgrade(source: str | None, **arguments: Any) -> int:
    """Create the previous version in an environment of its own, upgrade it while a client writes and reads, and destroy it.

    BLOCK is the directory of a block; without it, the current one.
    """
    from immtf.app import rehearsal as use
    from immtf.cli.sessions import confirmer, run
    from immtf.cli.source import source_of
    from immtf.cli.testing import ground_of

    options = Options(source=source or "", **arguments)
    confirmer(options, again=options.again("test-upgrade"))("Create a test environment, upgrade it, and destroy it afterwards?")
    with source_of(source, options) as before:
        ground = ground_of(options, before.block)
        also = [*([before.block] if before.block else ()), *ground.producers]
        body = partial(use.test_upgrade, before=before, image=options.image, ground=ground)
        return run("test-upgrade", options, body, test=True, also=also)
