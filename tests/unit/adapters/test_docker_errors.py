"""What Docker's SDK raises becomes an error in words, whatever library of its own it comes from."""

from __future__ import annotations

import pytest

from immtf.adapters.docker.connection import told
from immtf.adapters.docker.engine import DockerEngine
from immtf.errors import ContainerFailed

pytest.importorskip("docker")


class Refusing:
    """An engine that refuses to remove a container, with this status."""

    def __init__(self, status: int) -> None:
        self.status = status

    def remove_container(self, container_id: str, **_settings: bool) -> None:
        from docker.errors import APIError
        from requests import Response

        response = Response()
        response.status_code = self.status
        raise APIError(f"no: {container_id}", response=response)


def test_a_stream_that_stops_is_no_fault_of_immtf() -> None:
    from urllib3.exceptions import ReadTimeoutError

    with pytest.raises(ContainerFailed, match="can't be pulled"), told("image x can't be pulled"):
        raise ReadTimeoutError(None, "/", "read timed out")  # type: ignore[arg-type]  # no pool: nothing is connected


def test_who_removes_what_another_one_is_removing_is_content() -> None:
    DockerEngine(Refusing(409)).remove("c")
    with pytest.raises(ContainerFailed, match="can't be removed"):
        DockerEngine(Refusing(500)).remove("c")
