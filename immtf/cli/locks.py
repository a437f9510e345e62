"""`immtf unlock`: who holds a block's lease, and how it is removed where its run is dead."""

from __future__ import annotations

from typing import Any

import rich_click as click

from immtf.cli.options import YES, Options, option, shared


@click.command()
@shared(YES)
@option("--force", is_flag=True, help="Remove the lease beside a remote state, whoever holds it.")
def unlock(force: bool, **arguments: Any) -> int:
    """Show who holds the lease of a block, and since when; exit code 22 where somebody does.

    A dead run's lease is taken over by the next run, after its time-to-live: it needn't be removed.
    """
    from immtf.app import unlocking as use
    from immtf.cli.sessions import confirmer, lease_path, run

    options = Options(**arguments)

    def body(session: Any) -> Any:
        return use.unlock(
            session, lease_path(session.block, session.target), force=force, confirm=confirmer(options, again="immtf unlock --force")
        )

    return run("unlock", options, body)
