"""The block's file `immtf.yaml`: read, checked, and turned into a `Block`.

The way is one line: text -> `document` (YAML with the place of everything in it) -> `schema` (pydantic: shapes and values) and
`checks` (what concerns several places, or the disk) -> `mistakes`, all of them at once and in the user's words (`messages`) -> or
else a `Block` (`build`). The same schema gives the JSON schema that editors use.

This package is the only one that imports pydantic and ruamel.yaml: commands import it where they need it.
"""

from __future__ import annotations

from immtf.plan.config.environment import environment_schema, load_environment
from immtf.plan.config.load import load_block
from immtf.plan.config.mistakes import ConfigInvalid, Mistake
from immtf.plan.config.schema import json_schema

__all__ = ["ConfigInvalid", "Mistake", "environment_schema", "json_schema", "load_block", "load_environment"]
