"""Containers as instances: how one is made, started, stopped, and asked; and what it is given to see of its machine.

PID 1 is the image's own init. It needs neither a privileged container nor a device of the host's: it may mount, and it may make nodes of
loop devices, which is what volumes are; and root may look at every process, as on a machine. `/run` is empty after each start, as after a
boot.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import docker.errors

from immtf.lab.docker import execution
from immtf.lab.docker.engine import CALL_LIMIT_S, asked, gone_is_good
from immtf.lab.docker.images import INIT
from immtf.lab.docker.loops import MAJOR
from immtf.lab.docker.scope import GUEST, INSTANCE
from immtf.lab.docker.seed import files, host_name
from immtf.lab.docker.trees import packed_files
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from immtf.lab.docker.scope import Scope
    from immtf.lab.docker.volumes import Furnishing
    from immtf.lab.runtime import Executed, InstanceSpec

TELL_LIMIT_S = 60.0
AGAIN_S = 2.0
PAUSE_S = 0.1
NOT_RUNNING = 409
STOP_SIGNAL = "SIGRTMIN+3"
CONSOLE = {"container": "docker", "SYSTEMD_COLORS": "0", "TERM": "dumb", "NO_COLOR": "1"}
TMPFS = {"/run": "exec,mode=755", "/run/lock": "mode=1777", "/tmp": "exec,mode=1777"}  # noqa: S108 - the guest's


class Guests:
    """All containers of a lab that are instances, by the instance's id."""

    def __init__(self, client: Any, scope: Scope, network: str, again: Callable[[float], Any]) -> None:
        """Make them in `network`; `again` gives a client whose calls may take as many seconds as it is told."""
        self._client = client
        self._scope = scope
        self._network = network
        self._again = again
        self._containers: dict[str, str] = {}

    def make(self, spec: InstanceSpec, image: str, furnishing: Furnishing) -> str:
        """Make the container of an instance, with its seed and what its volumes need, not started; its id."""
        with asked(spec.instance_id):
            endpoint = self._client.api.create_endpoint_config(ipv4_address=spec.address)
            made = self._client.api.create_container(
                image,
                command=[],
                entrypoint=INIT,
                name=f"{self._scope.name}-{spec.instance_id}",
                hostname=host_name(spec.address),
                labels=self._scope.labels(GUEST, **{INSTANCE: spec.instance_id}),
                environment=CONSOLE,
                tty=True,
                stop_signal=STOP_SIGNAL,
                networking_config=self._client.api.create_networking_config({self._network: endpoint}),
                host_config=self._client.api.create_host_config(
                    network_mode=self._network,
                    tmpfs=TMPFS,
                    binds=list(furnishing.binds),
                    cgroupns="private",
                    cap_add=["SYS_ADMIN", "MKNOD", "SYS_PTRACE"],
                    device_cgroup_rules=[f"b {MAJOR}:* rmw"],
                    security_opt=["apparmor=unconfined"],
                    restart_policy={"Name": "no"},
                    log_config={"Type": "json-file", "Config": {}},
                ),
            )["Id"]
            self._containers[spec.instance_id] = made
            self._client.api.put_archive(made, "/", packed_files(files(spec), mode=0o600))
            if furnishing.tools:
                self._client.api.put_archive(made, "/", packed_files(furnishing.tools, mode=0o755))
        return str(made)

    def start(self, instance_id: str) -> None:
        """Start the container; its address taken, or no init in the image: `RuntimeFailed`."""
        with asked(instance_id):
            self._client.api.start(self.container(instance_id))

    def stop(self, instance_id: str, patience_s: float) -> None:
        """End the guest, in order if `patience_s` allows; gone already: done."""
        container = self.container(instance_id)
        with asked(instance_id):
            deadline = monotonic() + patience_s
            while self.pid(instance_id) is not None and monotonic() < deadline:
                # A guest that has only just started doesn't hear the first of them: nothing listens to signals there yet.
                self._signal(container, STOP_SIGNAL)
                self._gone_within(instance_id, min(AGAIN_S, deadline - monotonic()))
            if self.pid(instance_id) is not None:
                self._signal(container, "SIGKILL")
                self._client.api.wait(container, timeout=CALL_LIMIT_S)

    def _signal(self, container: str, signal: str) -> None:
        try:
            self._client.api.kill(container, signal)
        except docker.errors.APIError as error:
            if error.status_code != NOT_RUNNING:
                raise

    def _gone_within(self, instance_id: str, limit_s: float) -> None:
        deadline = monotonic() + limit_s
        while self.pid(instance_id) is not None and monotonic() < deadline:
            sleep(PAUSE_S)

    @contextmanager
    def paused(self, instance_id: str) -> Iterator[None]:
        """Let nothing run in the guest meanwhile; one that doesn't run needs no pause. The engine can't: `RuntimeFailed`."""
        if self.pid(instance_id) is None:
            yield
            return
        container = self.container(instance_id)
        with asked(f"{instance_id} can't be halted"):
            self._client.api.pause(container)
        try:
            yield
        finally:
            with asked(f"{instance_id} can't go on"):
                self._client.api.unpause(container)

    def remove(self, instance_id: str) -> None:
        """Remove the container with its root disk; absent is good."""
        if (container := self._containers.get(instance_id)) is not None:
            with asked(instance_id), gone_is_good():
                self._client.api.remove_container(container, v=True, force=True)
            del self._containers[instance_id]

    def container(self, instance_id: str) -> str:
        """Give the container's id; unknown: `RuntimeFailed`."""
        container = self._containers.get(instance_id)
        if container is None:
            raise RuntimeFailed(f"there is no instance {instance_id}")
        return container

    def pid(self, instance_id: str) -> int | None:
        """Give the pid of the guest's init on the engine's machine; None where it doesn't run."""
        container = self.container(instance_id)
        with asked(instance_id):
            state = self._client.api.inspect_container(container)["State"]
        return int(state["Pid"]) if state["Running"] else None

    def execute(self, instance_id: str, script: str, timeout_s: float) -> Executed:
        """Carry a script out in a running guest; the guest ends meanwhile: `RuntimeFailed`."""
        argv = execution.command(script, timeout_s)
        began = monotonic()
        with asked(f"a command in {instance_id}"):
            client = self._again(timeout_s + TELL_LIMIT_S)
            try:
                _, answer = execution.carry_out(client, self.container(instance_id), argv)
            finally:
                client.close()
        return execution.read(answer, limit_s=timeout_s, took_s=monotonic() - began)

    def tell(self, instance_id: str, script: str) -> int | None:
        """Carry out a short script of the lab's own; its exit code, None where the guest doesn't run."""
        if self.pid(instance_id) is None:
            return None
        with asked(instance_id):
            return execution.carry_out(self._client, self.container(instance_id), ["/bin/sh", "-c", script])[0]

    def ask_all(self, instance_ids: Sequence[str], script: str) -> dict[str, str]:
        """Give what each running guest prints on a short script of the lab's own, asked side by side; no answer is "" ."""

        def one(instance_id: str) -> str:
            try:
                with asked(instance_id):
                    answer = execution.carry_out(self._client, self.container(instance_id), ["/bin/sh", "-c", script])[1]
                return answer.decode(errors="replace")
            except RuntimeFailed:  # it has just ended
                return ""

        if not instance_ids:
            return {}
        with ThreadPoolExecutor(len(instance_ids)) as pool:
            return dict(zip(instance_ids, pool.map(one, instance_ids), strict=True))
