"""How a reap takes the leases of what it removes: the same ones as runs do, so that neither works under the other.

In S3 a lease that nobody renewed for several times-to-live is given free at once, by S3's own clock (its answer tells when the object was
written, and when that was asked): its holder is dead. One that was renewed of late is watched for a sign of life, as by a run.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from immtf.adapters.lease.local import held_lease
from immtf.adapters.lease.s3 import S3Lease, awake_and_asleep
from immtf.adapters.lease.taking import Taker
from immtf.model.lease import LeaseRecord
from immtf.plan.lease import DEFAULT_TTL_S, freed, lease_text, parse_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from immtf.adapters.lease.store import Seen, Store
    from immtf.adapters.lease.taking import Clock
    from immtf.model.events import Event
    from immtf.model.lease import Holder

NOBODY = "nobody"  # the token of what could not be read


@dataclass(frozen=True)
class Hands:
    """Who takes leases, and how it waits for them: `check` raises where the command is to end."""

    holder: Holder
    clock: Clock
    tell: Callable[[Event], None]
    check: Callable[[], None]
    ttl_s: float = DEFAULT_TTL_S

    @contextmanager
    def on_this_machine(self, path: Path) -> Iterator[Callable[[], None]]:
        """Hold a lease that is a file, and give what confirms it. Raises `LeaseHeld`."""
        with held_lease(path, asdict(self.holder)) as lease:
            yield lease.confirm

    @contextmanager
    def beside_state(self, store: Store, dead: Seen | None = None) -> Iterator[Callable[[], None]]:
        """Hold a lease that is an object, renewed while the body runs, and give what confirms it. Raises `LeaseHeld`, `CloudFailed`.

        `dead` is the object as it was seen, where its holder is surely dead.
        """
        mine = LeaseRecord(holder=self.holder, token=secrets.token_hex(16), ttl_s=self.ttl_s)
        if dead is not None:  # on condition that it is still this one: where it isn't, the taking below sees by whom it was renewed
            store.replace(lease_text(freed(parse_lease(dead.body) or replace(mine, token=NOBODY))), dead.etag)
        lease = S3Lease(store, Taker(store, mine, self.clock, awake_and_asleep, self.tell, self.check).take(), tell=self.tell)
        lease.start()
        try:
            yield lease.confirm
        finally:
            lease.release()
