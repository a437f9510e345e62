"""The AWS provider from Terraform's own registry, for platforms that the pinned wheel is not made for, or where pip gets nothing.

Terraform itself checks the publisher's signature of what it mirrors.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing
from immtf.lab.toolchain.found import AWS, Run, capture_quietly, last_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LIMIT_S = 600.0

_CONFIGURATION = """terraform {{
  required_providers {{
    aws = {{
      source  = "{source}"
      version = "{version}"
    }}
  }}
}}
"""


def fetch_mirror(into: Path, version: str, argv: list[str], *, environment: Mapping[str, str], run: Run) -> None:
    """Let Terraform make a mirror in `into` by the command of `mirror_argv`. Raises `ToolMissing` where it can't."""
    scratch = into / "configuration"
    scratch.mkdir()
    (scratch / "main.tf").write_text(_CONFIGURATION.format(source=AWS, version=version))
    answer = capture_quietly(argv, run=run, cwd=scratch, environment={**environment, "NO_COLOR": "1"}, limit_s=_LIMIT_S)
    if answer.exit_code != 0:
        raise ToolMissing(f"Terraform's registry did not give hashicorp/aws {version} ({last_words(answer, 6)})")
    shutil.rmtree(scratch)


def mirror_argv(terraform: Path, into: Path, platform: str) -> list[str]:
    """Make the command that mirrors what the configuration in the current directory needs."""
    return [str(terraform), "providers", "mirror", f"-platform={platform}", str(into)]
