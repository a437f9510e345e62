"""The environment a Terraform child gets: the one handed in, without what would change the commands that immtf builds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALWAYS = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


def child_environment(given: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the child's environment and the names left out of it.

    `TF_CLI_ARGS` and `TF_CLI_ARGS_<command>` are left out: they put options into every command, so that a plan could have other
    targets or take no lock, whatever was judged. `TF_CLI_CONFIG_FILE`, `TF_DATA_DIR`, `TF_VAR_…` and the like stay.
    """
    left_out = tuple(sorted(name for name in given if name == "TF_CLI_ARGS" or name.startswith("TF_CLI_ARGS_")))
    return {name: value for name, value in given.items() if name not in left_out} | _ALWAYS, left_out
