"""One object in S3 as the lease needs it, as strict as S3: conditions are looked at, an etag is the hash of the content.

So two writes of the same content have the same etag, and a lease that wrote the same twice would look dead. Every call goes through
`calls`, where a test lets it fail before its effect, or after it: then the answer got lost. `conflicts` are answered 409, which is None
to whoever writes, with nothing changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters.lease.store import Seen
from immtf.plan.lease import parse_lease
from tests.fakes.calls import Calls

if TYPE_CHECKING:
    from immtf.model.lease import LeaseRecord


@dataclass
class FakeBucket:
    """Satisfies `immtf.adapters.lease.store.Store`."""

    body: str | None = None
    calls: Calls = field(default_factory=Calls)
    conflicts: int = 0
    careless: bool = False

    def __str__(self) -> str:
        """Tell the object's address."""
        return "s3://states/consul.tfstate.immtf-lease"

    @property
    def record(self) -> LeaseRecord:
        """What the object says, which must be a lease."""
        found = parse_lease(self.body or "")
        assert found is not None
        return found

    def read(self) -> Seen | None:
        return self.calls.do("store.read", lambda: None if self.body is None else Seen(self.body, _etag(self.body)))

    def create(self, body: str) -> str | None:
        return self.calls.do("store.create", lambda: self._put(body, fits=self.body is None))

    def replace(self, body: str, etag: str) -> str | None:
        return self.calls.do("store.replace", lambda: self._put(body, fits=self.body is not None and _etag(self.body) == etag))

    def _put(self, body: str, *, fits: bool) -> str | None:
        if self.conflicts:
            self.conflicts -= 1
            return None
        if not fits and not self.careless:
            return None
        self.body = body
        return _etag(body)


def _etag(body: str) -> str:
    return f'"{hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}"'
