"""What GitLab's runner reads in a log: markers around a section that can be folded. They go beside the lines, to the same stream.

A section has a name of letters, digits and `_.-`, which must not come twice in a job, and its moments in whole seconds of Unix time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from immtf.report.wording import plain

if TYPE_CHECKING:
    from datetime import datetime

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_CLEAR: Final = "\x1b[0K"


def section_start(name: str, title: str, at: datetime) -> str:
    """Return the line that begins a section."""
    return f"{_CLEAR}section_start:{int(at.timestamp())}:{section_name(name)}\r{_CLEAR}{plain(title)}"


def section_end(name: str, at: datetime) -> str:
    """Return the line that ends a section."""
    return f"{_CLEAR}section_end:{int(at.timestamp())}:{section_name(name)}\r{_CLEAR}"


def section_name(text: str) -> str:
    """Return a text as the name of a section."""
    return _NOT_IN_A_NAME.sub("_", text)
