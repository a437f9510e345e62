from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform.hcl import (
    adopts,
    local_sources,
    own_backend,
    provider_aliases,
    remote_states,
    remote_states_called,
    sensitive_variables,
)

if TYPE_CHECKING:
    from pathlib import Path

HCL = """
# provider "aws" { alias = "commented" }
/* module "x" {
  source = "../commented"
} */
provider "aws" { // } in a comment
  region = "eu-west-1"
  default_tags {
    tags = { note = "a } brace and an alias = 1" }
  }
}
provider "aws" {
  endpoints {
    ec2 = "http://x"
  }
  alias  = "east"
  region = "us-east-1"
}
provider "google" {
  alias = "other"
}
module "m" {
  source = "../../modules/m"
}
module "remote" {
  source = "git::https://example.org/m.git"
}
resource "aws_instance" "this" {
  user_data = <<-EOT
    provider "aws" { alias = "in a heredoc"
    source = "../heredoc"
  EOT
}
module "same" {
  source = "./same"
}
"""


def test_native_syntax(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(HCL)
    assert provider_aliases(tmp_path, "aws") == ("", "east")
    assert provider_aliases(tmp_path, "google") == ("other",)
    assert provider_aliases(tmp_path, "azurerm") == ()
    assert local_sources(tmp_path) == {"../../modules/m", "./same"}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("main.tf", 'terraform {\n  required_version = ">= 1"\n  backend "s3" {\n    bucket = "b"\n  }\n}\n', "s3"),
        ("main.tf", 'terraform { backend "gcs" {} }\n', "gcs"),
        ("main.tf", "terraform {\n  cloud {\n  }\n}\n", "cloud"),
        ("main.tf", '# backend "s3" {}\nvariable "backend" {}\n', ""),
        ("main.tf.json", '{"terraform": [{"backend": {"local": {}}}]}', "local"),
        ("main.tf.json", '{"terraform": {"cloud": {}}}', "cloud"),
        ("main.tf.json", '{"terraform": {"required_version": ">= 1"}}', ""),
    ],
)
def test_the_backend_that_a_root_module_has_itself(tmp_path: Path, name: str, text: str, kind: str) -> None:
    (tmp_path / name).write_text(text)
    assert own_backend(tmp_path) == kind


def test_states_that_called_modules_read(tmp_path: Path) -> None:
    reads = 'data "terraform_remote_state" "%s" { backend = "s3" }\n'
    for place, calls, name in (("root", "../one", "own"), ("one", "../two", "base"), ("two", "../one", "net")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "main.tf").write_text(f'module "m" {{\n  source = "{calls}"\n}}\n' + reads % name)
    assert remote_states_called(tmp_path / "root") == {"base": tmp_path / "one", "net": tmp_path / "two"}


def test_a_call_on_one_line_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('module "m" { source = "../m" }\nlocals { resource = "./not" }\n')
    assert local_sources(tmp_path) == {"../m"}


def test_json_syntax(tmp_path: Path) -> None:
    document = {
        "provider": [{"aws": {"region": "x"}}, {"aws": [{"alias": "east"}]}],
        "module": {"m": {"source": "../m"}, "n": [{"source": "registry/x/y"}]},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(document))
    (tmp_path / "broken.tf.json").write_text("{")
    (tmp_path / "list.tf.json").write_text("[]")
    assert provider_aliases(tmp_path, "aws") == ("", "east")
    assert local_sources(tmp_path) == {"../m"}


def test_an_empty_directory(tmp_path: Path) -> None:
    assert provider_aliases(tmp_path, "aws") == ()
    assert local_sources(tmp_path) == frozenset()


def test_sensitive_variables(tmp_path: Path) -> None:
    """F49: only those that say so themselves, in both of HCL's syntaxes."""
    (tmp_path / "a.tf").write_text(
        """
variable "one" { sensitive = true }
variable "two" {
  type      = string
  # sensitive = true
  sensitive = false
}
variable three {
  type = string
  validation {
    condition     = length(var.three) > 1
    error_message = "sensitive = true"
  }
  sensitive   = true
}
output "four" {
  value     = 1
  sensitive = true
}
"""
    )
    (tmp_path / "b.tf.json").write_text(json.dumps({"variable": {"five": {"sensitive": True}, "six": {}, "seven": [{"sensitive": True}]}}))
    assert sensitive_variables(tmp_path) == {"one", "three", "five", "seven"}


def test_remote_states_in_both_syntaxes_and_of_the_module_itself_only(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        '# data "terraform_remote_state" "commented" {}\n'
        'data "terraform_remote_state" "base" {\n  backend = "s3"\n}\n'
        "data terraform_remote_state bare {}\n"
        'data "terraform_remote_states" "another" {}\n'
        'data "aws_vpc" "vpc" {}\n'
    )
    (tmp_path / "more.tf.json").write_text(json.dumps({"data": [{"terraform_remote_state": {"base-net": {}}, "aws_vpc": {"x": {}}}]}))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/main.tf").write_text('data "terraform_remote_state" "inner" {}\n')
    assert remote_states(tmp_path) == {"base", "bare", "base-net"}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.tf", 'import {\n  to = a.b\n  id = "x"\n}\n', True),
        ("a.tf.json", '{"import": [{"to": "a.b", "id": "x"}]}', True),
        ("a.tf", '# import {\nvariable "import" {}\n', False),
        ("a.tf.json", '{"variable": {"import": {}}}', False),
    ],
)
def test_what_exists_and_is_taken_into_the_state_is_seen(tmp_path: Path, name: str, text: str, found: bool) -> None:
    (tmp_path / name).write_text(text)
    assert adopts(tmp_path) is found
