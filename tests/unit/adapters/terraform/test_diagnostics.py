from __future__ import annotations

from immtf.adapters.terraform.diagnostics import Diagnostic, from_json, from_text

PLAIN = """
Error: Duplicate resource "terraform_data" configuration

  on bad2.tf line 1:
   1: resource "terraform_data" "bad" {

A terraform_data resource named "bad" was already declared at bad.tf:1,1-32.
Resource names must be unique per type in each module.

Error: Duplicate resource "terraform_data" configuration

  on bad2.tf line 1:
   1: resource "terraform_data" "bad" {

A terraform_data resource named "bad" was already declared at bad.tf:1,1-32.
Resource names must be unique per type in each module.

Warning: Old

  with module.a["x"].aws_instance.this,
  on main.tf line 12, in resource "aws_instance" "this":
  12:   thing = 1

Use another.
"""
FRAMED = (
    "\x1b[31m╷\x1b[0m\x1b[0m\n\x1b[31m│\x1b[0m \x1b[0m\x1b[1m\x1b[31mError: \x1b[0m\x1b[0m\x1b[1mBackend initialization required\x1b[0m\n"
    "\x1b[31m│\x1b[0m \x1b[0m\n\x1b[31m│\x1b[0m \x1b[0m\x1b[0mReason: Initial configuration\n\x1b[31m╵\x1b[0m\x1b[0m\n"
)


def test_plain_text_each_once() -> None:
    first, second = from_text(PLAIN)
    assert (first.severity, first.file, first.line) == ("error", "bad2.tf", 1)
    assert first.detail.splitlines()[-1] == "Resource names must be unique per type in each module."
    assert second == Diagnostic("warning", "Old", "Use another.", "main.tf", 12, 'module.a["x"].aws_instance.this')


def test_framed_and_coloured_text() -> None:
    assert from_text(FRAMED) == (Diagnostic("error", "Backend initialization required", "Reason: Initial configuration"),)


def test_text_without_any() -> None:
    assert from_text("Initializing the backend...\n") == ()


def test_json_without_a_place() -> None:
    assert from_json({"severity": "warning", "summary": "s"}) == Diagnostic("warning", "s")
    assert str(from_json({"summary": "s", "range": None})) == "s"
