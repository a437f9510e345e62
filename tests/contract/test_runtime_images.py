"""The end of an image: the same cases on every runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.lab.runtime import RuntimeFailed
from tests.contract.runtime_benches import Bench, make_bench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["fake", "process", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = make_bench(request.param, request)
    yield made
    made.close()


def test_nothing_boots_from_an_image_that_was_deleted_and_what_did_runs_on(bench: Bench) -> None:
    bench.image(mounts=[], services=[])
    bench.runtime.boot(bench.spec())
    bench.runtime.delete_image("ami-1")
    bench.runtime.delete_image("ami-1")
    with pytest.raises(RuntimeFailed):
        bench.runtime.boot(bench.spec("i-2", host=12))
    bench.runtime.stop("i-1")
    bench.runtime.start("i-1")
    assert [(row.instance_id, row.running) for row in bench.runtime.instances()] == [("i-1", True)]
