"""What changes without a call: a guest that powered itself off, a volume that is no longer busy.

One thread looks every `poll_s` seconds until the gateway is closed. It leaves alone whatever has a job in its lane, and
believes what it saw only if the record did not move in the meantime.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from immtf.lab.gateway.states import BY_ITSELF, AttachmentState, InstanceState
from immtf.lab.gateway.wire import Refusal

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.states import InstanceRecord
    from immtf.lab.gateway.transitions import InstanceTransitions
    from immtf.lab.gateway.volume_transitions import VolumeTransitions

LOG = logging.getLogger(__name__)


class Watch:
    """Looks after what really runs."""

    def __init__(self, cloud: Cloud, instances: InstanceTransitions, volumes: VolumeTransitions, poll_s: float) -> None:
        """Take the cloud, what to begin when something changed, and the seconds between two looks."""
        self.cloud = cloud
        self.instances = instances
        self.volumes = volumes
        self.poll_s = poll_s
        self.thread = threading.Thread(target=self._run, name="gateway watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def _run(self) -> None:
        while not self.cloud.closing.wait(self.poll_s):
            try:
                self.look()
            except Exception:
                LOG.exception("the watch failed once; it looks again")

    def look(self) -> None:
        """Look once."""
        with self.cloud.lock:
            running = [known for known in self.cloud.record.instances.values() if known.state is InstanceState.RUNNING]
            busy = [known for known in self.cloud.record.attachments.values() if known.state is AttachmentState.BUSY]
            for attachment in busy:
                if self.cloud.lanes.idle(attachment.instance_id):
                    self.volumes.detach(attachment)
        for known in running:
            if self.cloud.lanes.idle(known.instance_id) and not self.cloud.runtime.is_running(known.instance_id):
                self._powered_off(known)

    def _powered_off(self, known: InstanceRecord) -> None:
        with self.cloud.lock:
            unmoved = self.cloud.record.instances[known.instance_id] is known
            if not (unmoved and self.cloud.lanes.idle(known.instance_id)):
                return
            behaviour = self.cloud.attribute(known.region, known.instance_id, "instanceInitiatedShutdownBehavior")
            if behaviour == "terminate":
                self.instances.terminate(self.cloud.record.move(known.instance_id, InstanceState.SHUTTING_DOWN, BY_ITSELF))
                return
            try:
                self.cloud.backend.tree(known.region, "StopInstances", {"InstanceId.1": known.instance_id})
            except Refusal as refusal:
                LOG.warning("%s powered itself off; the backend won't call it stopped: %s", known.instance_id, refusal)
            self.instances.stop(self.cloud.record.move(known.instance_id, InstanceState.STOPPING, BY_ITSELF))
