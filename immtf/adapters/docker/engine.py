"""The `Containers` port on a Docker engine.

A container gets no terminal and no input, its variables by value through the API (in no argument list and no log), and is never
removed by the engine itself: what it said and how it ended would be gone with it. The caller removes it.
"""

from __future__ import annotations

import tarfile
import tempfile
from contextlib import closing, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from immtf.adapters.archive import unpack
from immtf.adapters.docker.connection import told
from immtf.adapters.docker.output import Output
from immtf.adapters.docker.own import own_container, refuse_unmounted
from immtf.errors import ContainerFailed
from immtf.model.container import RUN, ContainerEnd, ContainerImage, ContainerOrder, Left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ENDED = frozenset({"exited", "dead"})
GONE = 125
ROOTLESS = "name=rootless"


class DockerEngine:
    """Runs containers on the engine behind a client of the SDK's (`docker.APIClient`)."""

    def __init__(self, client: Any) -> None:
        """Use this client, which is closed with the engine."""
        self._client = client
        self._outputs: dict[str, Output] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection; containers are left as they are."""
        for output in self._outputs.values():
            output.close()
        self._client.close()

    def image(self, reference: str, *, progress: Callable[[str], None]) -> ContainerImage:
        from docker.errors import ImageNotFound

        with told(f"image {reference} can't be looked at"):
            try:
                found = self._client.inspect_image(reference)
            except ImageNotFound:
                found = self._pulled(reference, progress)
        config = found.get("Config") or {}
        variables = dict(item.partition("=")[::2] for item in config.get("Env") or ())
        return ContainerImage(reference, found["Id"], config.get("Labels") or {}, variables)

    def read(self, image: ContainerImage, path: str, into: Path) -> None:
        from docker.errors import NotFound

        with told(f"{path} can't be read out of image {image.reference}"):
            made = self._client.create_container(image.image_id, command=["-"], entrypoint=["-"], labels={RUN: "reading"})["Id"]
            try:
                pieces, _ = self._client.get_archive(made, f"{path.rstrip('/')}/.")
                with tempfile.TemporaryFile() as archive:
                    for piece in pieces:
                        archive.write(piece)
                    archive.seek(0)
                    unpack(archive, into)
            except NotFound:
                raise ContainerFailed(f"image {image.reference} has no directory {path}") from None
            except tarfile.TarError as error:
                raise ContainerFailed(f"{path} of image {image.reference} can't be unpacked: {error}") from error
            finally:
                self._client.remove_container(made, force=True)

    def start(self, order: ContainerOrder) -> str:
        with told("the container can't be started"):
            made = str(self._create(order))
            try:
                stream = self._client.attach(made, stdout=True, stderr=True, stream=True, logs=True, demux=True)
                self._outputs[made] = Output(stream)
                self._client.start(made)
            except BaseException:
                self.remove(made)
                raise
        return made

    def said(self, container_id: str) -> Sequence[str]:
        output = self._outputs[container_id]
        return output.last_lines() if self.ended(container_id) else output.lines()

    def ended(self, container_id: str) -> ContainerEnd | None:
        from docker.errors import NotFound

        with told("the container can't be looked at"):
            try:
                state = self._client.inspect_container(container_id)["State"]
            except NotFound:
                return ContainerEnd(GONE, problem="somebody removed it")
        if state["Status"] not in ENDED:
            return None
        return ContainerEnd(int(state["ExitCode"]), bool(state.get("OOMKilled")), str(state.get("Error") or ""))

    def signal(self, container_id: str, name: str) -> None:
        from docker.errors import APIError, NotFound

        with told(f"the container can't be sent {name}"):
            try:
                self._client.kill(container_id, name)
            except NotFound:
                return
            except APIError:
                if self.ended(container_id) is None:
                    raise

    def remove(self, container_id: str) -> None:
        from docker.errors import APIError, NotFound

        with told("the container can't be removed"), suppress(NotFound):
            try:
                self._client.remove_container(container_id, force=True, v=True)
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:  # somebody else is removing it, as two tests that sweep at once do
                    raise
        if output := self._outputs.pop(container_id, None):
            output.close()

    def left(self, label: str) -> Sequence[Left]:
        with told("the containers can't be listed"):
            rows = self._client.containers(all=True, filters={"label": label})
        return [Left(row["Id"], row.get("Labels") or {}, row["State"] not in {*ENDED, "created"}) for row in rows]

    def _create(self, order: ContainerOrder) -> Any:
        own = own_container(self._client)
        if own is not None:
            refuse_unmounted(own, [*order.mounts, *order.read_only])
            settings = {"volumes_from": [own["Id"]], "network_mode": f"container:{own['Id']}"}
        else:
            binds = [*(f"{path}:{path}" for path in order.mounts), *(f"{path}:{path}:ro" for path in order.read_only)]
            settings = {"binds": binds, "network_mode": "host" if order.host_network else "default"}
        return self._client.create_container(
            order.image_id,
            command=list(order.arguments),
            environment=dict(order.environment),
            user=self._user(order.user),
            labels=dict(order.labels),
            stop_timeout=order.stop_timeout_s,
            stdin_open=False,
            tty=False,
            host_config=self._client.create_host_config(security_opt=["no-new-privileges"], **settings),
        )["Id"]

    def _user(self, user: str) -> str:
        """Return who it runs as: where the engine has no root of its own, its root is the very user that this process is."""
        return "0:0" if user and ROOTLESS in (self._client.info().get("SecurityOptions") or ()) else user

    def _pulled(self, reference: str, progress: Callable[[str], None]) -> Any:
        progress(f"pulling {reference}")
        tagged = reference if "@" in reference or ":" in reference.rpartition("/")[2] else f"{reference}:latest"
        way = f"is the name right? `docker pull {reference}` must work here, for a private registry after `docker login`"
        with told(f"image {reference} is not here and can't be pulled", next=way):
            with closing(self._client.pull(tagged, stream=True, decode=True)) as rows:
                for row in rows:
                    if "error" in row:
                        raise ContainerFailed(f"image {reference} is not here and can't be pulled: {row['error']}", next=way)
                    if row.get("status", "").startswith(("Digest", "Status", "Pull complete")):
                        progress(f"pulling {reference}: {row.get('id', '')} {row['status']}".replace(":  ", ": "))
            return self._client.inspect_image(tagged)
