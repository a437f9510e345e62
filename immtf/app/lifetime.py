"""A test on AWS ends itself when its time to live is over, as if a person had asked it to, and destroys what it made.

From then on everything that it made may be taken away: a `reap` of a machine that sees no record of the test, and no lease, knows nothing
but the tags. In a lab there is no such machine, and a test may go on as long as it takes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, Interrupted
from immtf.model.events import Noted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.app.session import Session

MORE = "give it more time with --ttl, as long as such a test takes at most"


def timer(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Have something done after so long, once; return what calls it off."""
    made = threading.Timer(seconds, act)
    made.daemon = True
    made.start()
    return made.cancel


@contextmanager
def within_life(session: Session, life_s: float, after: Callable[[float, Callable[[], None]], Callable[[], None]]) -> Iterator[None]:
    """End the body, at the next point where it may end, when so many seconds are over. Raises `ImmtfError` where it was ended so."""
    if session.target.cloud == "lab" or not session.target.tags:
        yield
        return
    over: list[str] = []

    def end() -> None:
        over.append(f"the test's time to live, {life_s / 60:g} minutes, is over before it is done")
        session.tell(Noted("warning", f"{over[0]}: it ends, and what it made is destroyed"))
        session.signals.request()

    call_off = after(life_s, end)
    try:
        yield
    except Interrupted as error:
        if not over:
            raise
        raise ImmtfError(over[0], where=error.where, next=MORE) from error
    finally:
        call_off()
