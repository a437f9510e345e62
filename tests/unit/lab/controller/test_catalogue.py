"""What an image of the lab is registered with: its tags, once for each content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import LabFailed
from immtf.lab.catalogue import Catalogue

if TYPE_CHECKING:
    from pathlib import Path


class Registry:
    """Answers RegisterImage, and keeps the forms."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []

    def __call__(self, form: dict[str, str]) -> str:
        self.forms.append(form)
        return f"<RegisterImageResponse><imageId>ami-{len(self.forms)}</imageId></RegisterImageResponse>"

    def tags(self) -> list[dict[str, str]]:
        """Return the tags of each form."""
        return [{form[name]: form[name.replace("Key", "Value")] for name in form if name.endswith(".Key")} for form in self.forms]


def test_a_tree_that_tells_its_data_s_format_is_tagged_with_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    registry = Registry()
    catalogue = Catalogue(registry)
    assert catalogue.register("consul", "1.1.0", tmp_path) == catalogue.register("consul", "1.1.0", tmp_path) == "ami-1"
    (tmp_path / "etc/data-format").write_text("2\n")
    assert catalogue.register("consul", "1.1.0", tmp_path) == "ami-2", "another content is another image"
    plain = {"Name": "consul-1.1.0", "immtf:family": "consul", "immtf:version": "1.1.0", "immtf:promoted": "registered by the lab"}
    assert registry.tags() == [plain, {**plain, "immtf:data-format": "2"}]
    assert [row["image_id"] for row in catalogue.rows()] == ["ami-1", "ami-2"]


def test_a_tree_that_is_not_there_and_a_refusal_are_told(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="the image's tree is not there"):
        Catalogue(Registry()).register("consul", "1.1.0", tmp_path / "nowhere")
    with pytest.raises(LabFailed, match="no"):
        Catalogue(lambda _form: "<Error><Message>no</Message></Error>").register("consul", "1.1.0", tmp_path)
