"""What happens to a further network interface between two states; its jobs run in the lane of its instance.

As with volumes: attaching, the backend has validated and done it already, the record says `attaching` until it is true; detaching,
the real thing first, the backend afterwards, for the interface is free the moment the backend is told.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from immtf.lab.gateway.states import AttachmentState, InterfaceRecord
from immtf.lab.gateway.wire import Refusal
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud

LOG = logging.getLogger(__name__)


class InterfaceTransitions:
    """The transitions of further network interfaces."""

    def __init__(self, cloud: Cloud) -> None:
        """Take the cloud."""
        self.cloud = cloud

    def attach(self, began: InterfaceRecord, address: str) -> None:
        """Give the instance the interface's address."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._attach(began, address))

    def detach(self, began: InterfaceRecord) -> None:
        """Take the address away."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._detach(began))

    def give_back(self, instance_id: str) -> None:
        """Tell the backend of an instance that has ended that its further interfaces are free, or gone. The caller holds the lock."""
        for known in self.cloud.record.interfaces_of(instance_id):
            self._free(known)
            if known.doomed:
                self.cloud.backend.tree(known.region, "DeleteNetworkInterface", {"NetworkInterfaceId": known.interface_id})
                self.cloud.record.interface_groups.pop(known.interface_id, None)

    def _attach(self, began: InterfaceRecord, address: str) -> None:
        self.cloud.wait(self.cloud.delays.attach)
        if not self._holds(began, AttachmentState.ATTACHING):
            return
        try:
            self.cloud.runtime.attach_interface(began.instance_id, address, began.index)
        except RuntimeFailed as failure:
            LOG.error("%s: not attached to %s: %s", began.interface_id, began.instance_id, failure)  # noqa: TRY400 - expected of a runtime
            with self.cloud.lock:
                self._free(began)
            return
        with self.cloud.lock:
            if self._holds(began, AttachmentState.ATTACHING):
                self.cloud.record.plug(began.interface_id, state=AttachmentState.ATTACHED)

    def _detach(self, began: InterfaceRecord) -> None:
        if not self._holds(began, AttachmentState.DETACHING):
            return
        self.cloud.runtime.detach_interface(began.instance_id, began.index)
        self.cloud.wait(self.cloud.delays.detach)
        with self.cloud.lock:
            if self._holds(began, AttachmentState.DETACHING):
                self._free(began)

    def _holds(self, began: InterfaceRecord, state: AttachmentState) -> bool:
        """Tell whether the attachment is still on its way; whether it goes with its instance may have been changed meanwhile."""
        known = self.cloud.record.interfaces.get(began.interface_id)
        return known is not None and (known.attachment_id, known.state) == (began.attachment_id, state)

    def _free(self, known: InterfaceRecord) -> None:
        """Tell the backend that the interface is free, and forget the attachment."""
        try:
            self.cloud.backend.tree(known.region, "DetachNetworkInterface", {"AttachmentId": known.attachment_id})
        except Refusal as refusal:
            LOG.warning("%s: the backend had it detached already: %s", known.interface_id, refusal)
        self.cloud.record.interfaces.pop(known.interface_id, None)
