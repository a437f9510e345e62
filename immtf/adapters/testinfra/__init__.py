"""The `Checks` port: a user's own testinfra files, run on a node by pytest in a process of its own.

`runs` starts that process and judges what it left, `command` builds it, `watch` looks at it meanwhile, `junit` reads its report.
`plugin` is loaded inside of it and gives the tests their fixtures; it and `backend` are the only ones that import pytest and testinfra,
which come with the extra `immtf[testinfra]`.
"""

from __future__ import annotations

from immtf.adapters.testinfra.runs import PytestChecks, collect_checks, run_checks

__all__ = ["PytestChecks", "collect_checks", "run_checks"]
