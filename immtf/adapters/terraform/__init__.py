"""Terraform or OpenTofu on one root module.

`cli` is the adapter. Around it stand pure parts: `argv` (what is run), `environment` (with what), `stream` and `diagnostics` (what it
says), `failures` (what that means), `writers` (who wrote a state); and what touches files: `runs` (one child and its output), `earlier`
(children of a killed run), `localstate` (the state's file and its copy), `copies` and `stored` (a state that is kept elsewhere), `unsaved`
(a state that could not be saved), `overrides` and `hcl` (what a lab puts beside a configuration).
"""

from immtf.adapters.terraform.cli import SavedPlan, TerraformCli
from immtf.adapters.terraform.earlier import live_children
from immtf.adapters.terraform.failures import RunFailed, StateLocked
from immtf.adapters.terraform.runs import TerraformLimits, TerraformRun
from immtf.adapters.terraform.stream import TerraformEvent

__all__ = [
    "RunFailed",
    "SavedPlan",
    "StateLocked",
    "TerraformCli",
    "TerraformEvent",
    "TerraformLimits",
    "TerraformRun",
    "live_children",
]
