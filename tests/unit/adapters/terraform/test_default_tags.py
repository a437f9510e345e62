from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform.default_tags import merged_tags

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {"immtf:class": "test", "n": "${x}"}
OURS = '{"immtf:class" = "test", "n" = "$${x}"}'


@pytest.mark.parametrize(
    ("block", "merged"),
    [
        ("", dict(TAGS)),
        ("region = var.region", dict(TAGS)),
        ("default_tags {\n }", dict(TAGS)),
        ("default_tags {\n tags = var.tags\n }", f"${{merge(var.tags, {OURS})}}"),
        ("default_tags { tags = var.tags }", f"${{merge(var.tags, {OURS})}}"),
        ('default_tags {\n tags = { A = "}" } # {\n }', f'${{merge({{ A = "}}" }}, {OURS})}}'),
        (
            "default_tags {\n tags = merge(\n  local.a,\n  local.b\n )\n }\n region = 3",
            f"${{merge(merge(\n  local.a,\n  local.b\n ), {OURS})}}",
        ),
        ('default_tags {\n tags = {\n  "a:b" = "c"\n }\n }', f'${{merge({{\n  "a:b" = "c"\n }}, {OURS})}}'),
        ("ignore_tags {\n keys = [1]\n }\n default_tags {\n tags = local.t\n }", f"${{merge(local.t, {OURS})}}"),
        ('dynamic "default_tags" {\n for_each = []\n content {\n tags = {} \n }\n }', None),
        ("default_tags {\n tags = { A = <<EOT\n x\nEOT\n }\n }", None),
        ("default_tags {\n tags =\n }", None),
    ],
)
def test_the_user_s_tags_are_kept_as_the_expression_they_are(tmp_path: Path, block: str, merged: object) -> None:
    (tmp_path / "main.tf").write_text(
        f'provider "aws" {{\n {block}\n}}\nprovider "aws" {{\n alias = "b"\n default_tags {{\n tags = 3\n }}\n}}\n'
    )
    assert merged_tags(tmp_path, "aws", "", TAGS) == (None if merged is None else [{"tags": merged}])


def test_each_alias_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('provider "aws" {}\nprovider "aws" {\n alias = "b"\n default_tags {\n tags = local.b\n }\n}\n')
    assert merged_tags(tmp_path, "aws", "b", TAGS) == [{"tags": f"${{merge(local.b, {OURS})}}"}]
    assert merged_tags(tmp_path, "aws", "", TAGS) == [{"tags": TAGS}]


@pytest.mark.parametrize(
    ("own", "merged"),
    [
        ({"tags": {"A": "1", "n": "2"}}, {"A": "1", **TAGS}),
        ([{"tags": {"A": "${var.a}"}}], {"A": "${var.a}", **TAGS}),
        ({"tags": "${local.a}"}, f"${{merge(local.a, {OURS})}}"),
        ({"tags": "local.a"}, None),
        ([{"tags": {}}, {"tags": {}}], None),
        ({}, None),
    ],
)
def test_blocks_in_json(tmp_path: Path, own: object, merged: object) -> None:
    (tmp_path / "main.tf.json").write_text(json.dumps({"provider": {"aws": [{"alias": "b"}, {"default_tags": own}]}}))
    assert merged_tags(tmp_path, "aws", "", TAGS) == (None if merged is None else [{"tags": merged}])
