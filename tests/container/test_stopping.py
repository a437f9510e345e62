"""`docker stop`: SIGTERM to process 1, in the middle of something, is an orderly end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.container.running import NO_NETWORK, started, terraform_tree

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 600


@pytest.mark.docker
@pytest.mark.lab(minutes=2)
def test_a_stop_in_the_middle_of_a_test_upgrade(lab_image: str, tmp_path: Path) -> None:
    """Terraform finishes what it makes, no node is taken away any more, the test's environment is destroyed: 21. In a lab, offline."""
    top = terraform_tree(tmp_path)
    options = (*NO_NETWORK, "--user", "4711", "--volume", f"{top}:/block:ro", "--workdir", "/block/blocks/consul")
    with started(lab_image, "test-upgrade", "--lab", "--yes", "--output", "lines", options=options) as container:
        container.until("aws_instance.this: Creating...", PATIENCE_S)
        code = container.stop(PATIENCE_S)
        told = container.told()
    assert code == 21, told
    assert "asked to end (SIGTERM)" in told
    assert "Apply complete!" in told
    assert "outcome: paused" in told
    assert "Apply complete! Resources: 0 added, 0 changed, 14 destroyed." in told
