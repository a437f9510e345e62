"""The actions on instances: judged, told to the backend, written down, and begun."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from immtf.lab.gateway import interface_rules, rules
from immtf.lab.gateway.addresses import free_addresses, judge_address
from immtf.lab.gateway.backend import tree_of
from immtf.lab.gateway.facts import read_instances
from immtf.lab.gateway.keys import public_key
from immtf.lab.gateway.launch import addressed, fixed_addresses, without_address, written_out
from immtf.lab.gateway.overlay import lay_instance
from immtf.lab.gateway.states import BY_USER, InstanceState
from immtf.lab.gateway.tokens import ClientTokens
from immtf.lab.gateway.wire import Answer, Refusal, ec2_answer, parse_xml, text, write_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.lab.gateway.adoption import Adoption
    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.states import InstanceRecord
    from immtf.lab.gateway.transitions import InstanceTransitions
    from immtf.lab.gateway.wire import Call


class InstanceActions:
    """RunInstances and what comes after it."""

    def __init__(self, cloud: Cloud, transitions: InstanceTransitions, adoption: Adoption) -> None:
        """Take what the actions work with."""
        self.cloud = cloud
        self.transitions = transitions
        self.adoption = adoption
        self.tokens = ClientTokens()

    def handlers(self) -> Mapping[str, Callable[[Call], Answer]]:
        """Give the handler of each action."""
        return {
            "RunInstances": self.run,
            "StartInstances": self.start,
            "StopInstances": self.stop,
            "RebootInstances": self.reboot,
            "TerminateInstances": self.terminate,
        }

    def run(self, call: Call) -> Answer:
        """Make instances: `pending` until their guests run."""
        with self.cloud.lock:
            answer = self.tokens.once(call, lambda: self._run(call))
            if answer.failed:
                return answer
            root = parse_xml(answer.body)
            for row in root.iterfind("instancesSet/item"):
                lay_instance(self.cloud.record, row)
        return Answer(answer.status, write_xml(root))

    def _run(self, call: Call) -> Answer:
        self._judge_image(call)
        interface_rules.only_primary(call.form)
        public_key(self.cloud, call.region, call.form.get("KeyName", ""))  # refused before anything is made
        for subnet_id, address in fixed_addresses(call.form):
            judge_address(self.cloud, call.region, subnet_id, address)
        answer = self._made(call)
        if answer.failed:
            return answer
        made = list(read_instances(parse_xml(answer.body)))
        if call.is_set("DisableApiTermination"):
            for facts in made:
                form = {"InstanceId": facts.instance_id, "DisableApiTermination.Value": "true"}
                self.cloud.backend.tree(call.region, "ModifyInstanceAttribute", form)
        for facts in made:
            self.adoption.adopt(call.region, facts, boot=not call.stuck)
        return answer

    def _judge_image(self, call: Call) -> None:
        """Judge the image, unless a launch template names it (then a boot that fails tells)."""
        image_id = call.form.get("ImageId", "")
        if not image_id:
            if any(name.startswith("LaunchTemplate.") for name in call.form):
                return
            raise Refusal("MissingParameter", "The request must contain the parameter ImageId")
        root = self.cloud.backend.tree(call.region, "DescribeImages", {"ImageId.1": image_id})
        row = root.find("imagesSet/item")
        state = None if row is None else self.cloud.record.images.get(image_id, text(row, "imageState"))
        rules.image_usable(image_id, state)

    def _made(self, call: Call) -> Answer:
        """Tell the backend, with an address for each instance where none is asked for: the backend would give out an interface's."""
        subnet_id = without_address(call.form)
        if not subnet_id:
            return self.cloud.backend.ask(call, written_out(call.form))
        most = int(call.form.get("MaxCount", "1"))
        free = free_addresses(self.cloud, call.region, subnet_id, int(call.form.get("MinCount", "1")), most)
        first, *others = [self.cloud.backend.ask(call, addressed(call.form, address)) for address in free]
        if first.failed or not others:
            return first
        root = parse_xml(first.body)
        for rows in root.iterfind("instancesSet"):
            for other in others:
                rows.extend(parse_xml(other.body).iterfind("instancesSet/item"))
        return Answer(first.status, write_xml(root))

    def start(self, call: Call) -> Answer:
        """Start stopped instances: `pending` until their guests run."""
        with self.cloud.lock:
            before = self._known(call)
            for known in before:
                rules.startable(known.instance_id, known.state)
            tree_of(self.cloud.backend.ask(call))
            for known in before:
                if known.state is InstanceState.STOPPED:
                    began = self.cloud.record.launch(known.instance_id, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z")
                    if not call.stuck:
                        self.transitions.start(began)
            return self._moved(call, before)

    def stop(self, call: Call) -> Answer:
        """Stop running instances: `stopping` until their guests are gone. A stop that is under way and stuck is begun again."""
        with self.cloud.lock:
            before = self._known(call)
            for known in before:
                rules.stoppable(known.instance_id, known.state)
            tree_of(self.cloud.backend.ask(call))
            for known in before:
                if known.state is InstanceState.STOPPED:
                    continue
                began = self.cloud.record.move(known.instance_id, InstanceState.STOPPING, BY_USER)
                if not call.stuck:
                    self.transitions.stop(began, force=call.is_set("Force"))
            return self._moved(call, before)

    def reboot(self, call: Call) -> Answer:
        """Stop and start the guests of running instances."""
        with self.cloud.lock:
            before = self._known(call)
            for known in before:
                rules.rebootable(known.instance_id, known.state)
            answer = self.cloud.backend.ask(call)
            for known in before:
                if not answer.failed and not call.stuck:
                    self.transitions.reboot(known.instance_id)
            return answer

    def terminate(self, call: Call) -> Answer:
        """End instances: `shutting-down` until nothing of them runs; the backend hears of it only then."""
        with self.cloud.lock:
            before = self._known(call)
            for known in before:
                protected = not known.state.gone and self._protected(call.region, known.instance_id)
                rules.endable(known.instance_id, protected=protected)
            for known in before:
                if known.state is InstanceState.TERMINATED:
                    continue
                began = self.cloud.record.move(known.instance_id, InstanceState.SHUTTING_DOWN, BY_USER)
                if not call.stuck:
                    self.transitions.terminate(began)
            return self._moved(call, before)

    def _protected(self, region: str, instance_id: str) -> bool:
        return self.cloud.attribute(region, instance_id, "disableApiTermination").lower() == "true"

    def _known(self, call: Call) -> list[InstanceRecord]:
        """Give the records of the instances that the call names. Raises `Refusal` for one that doesn't exist."""
        instance_ids = call.members("InstanceId")
        if not instance_ids:
            raise Refusal("MissingParameter", "The request must contain the parameter InstanceId")
        self.cloud.instances(call.region, instance_ids)
        if any(instance_id not in self.cloud.record.instances for instance_id in instance_ids):
            self.adoption.reconcile(call.region)
        return [self.cloud.record.instances[instance_id] for instance_id in instance_ids]

    def _moved(self, call: Call, before: list[InstanceRecord]) -> Answer:
        rows: list[Mapping[str, str]] = []
        for known in before:
            now = self.cloud.record.instances[known.instance_id].state
            rows.append(
                {
                    "instanceId": known.instance_id,
                    "currentState/code": str(now.code),
                    "currentState/name": now,
                    "previousState/code": str(known.state.code),
                    "previousState/name": known.state,
                }
            )
        return ec2_answer(call.action, {"instancesSet": rows})
