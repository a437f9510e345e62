"""The inside of simulated instances: it understands exactly the scripts of `immtf.plan.facts`, and refuses any other.

It reads the text of a script, not who made it: the mount points asked for, the mark and where it goes. (That the scripts do in
a real shell what they do here is shown with a real shell, in `tests/unit/plan/test_facts.py`.)
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import GuestFailed
from immtf.plan.facts import MARK_FILE
from tests.fakes.simulation import MOUNT

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.fakes.simulation import SimInstance, SimVolume, SimWorld


@dataclass
class FakeGuest:
    """Satisfies `immtf.run.ports.Guest`."""

    sim: SimWorld

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        assert timeout_s > 0, "a command without a limit"
        what = "first-boot" if "/first-boot" in script else "mark" if "\nmv " in script else "facts"
        return self.sim.calls.do(f"guest.{what}", lambda: self._run(instance_id, script))

    def run_on(self, ids: Collection[str], script: str, *, timeout_s: float) -> dict[str, tuple[int, str, str] | GuestFailed]:
        assert timeout_s > 0, "a command without a limit"
        assert script.endswith("echo facts-end\n"), "many are only asked, never changed"
        return self.sim.calls.do("guest.facts", lambda: {identity: self._tried(identity, script) for identity in ids})

    def _tried(self, instance_id: str, script: str) -> tuple[int, str, str] | GuestFailed:
        try:
            return self._run(instance_id, script)
        except GuestFailed as failed:
            return failed

    def _run(self, instance_id: str, script: str) -> tuple[int, str, str]:
        item = self.sim.instances.get(instance_id)
        if item is None or not item.agent:
            raise GuestFailed(f"{instance_id} has no agent that answers", where=instance_id)
        if script.endswith("echo facts-end\n"):
            return 0, self._facts(item, re.findall(r"^p=(.*)$", script, re.MULTILINE)), ""
        if "/first-boot" in script:
            return self._first_boot(item, script)
        if script.startswith("set -e\nfindmnt "):
            return self._remark(item, script) if "\ncp " in script else self._mark(item, script)
        raise AssertionError(f"this guest can't read:\n{script}")

    def _facts(self, item: SimInstance, quoted: list[str]) -> str:
        lines: list[str] = []
        for (path,) in map(shlex.split, quoted):
            volume = self._at(item, path)
            if volume is None:
                lines.append(f"mount\t{path}\t")
                continue
            lines.append(f"mount\t{path}\t{path} /dev/nvme1n1 ext4 {volume.filesystem}")
            lines.append(f"serial\t{path}\t{volume.volume_id.replace('-', '')}")
            lines.append(f"mark\t{path}\t{volume.mark}")
        volume = self.sim.on(item)
        lines += [f"status\t{volume.volume_id.replace('-', '')}\t{item.run.status}"] if volume and item.run.status else []
        return "\n".join([*lines, "facts-end", ""])

    def _first_boot(self, item: SimInstance, script: str) -> tuple[int, str, str]:
        """Take a first-boot mark for the volume that the script names; it has to be the one that is blank here."""
        words = [shlex.split(line) for line in script.splitlines()]
        path, named = words[2][words[2].index("--mountpoint") + 1].rstrip(";"), words[5][2]
        assert path == MOUNT
        assert words[3][-1] == "blank", "the mark does not ask whether the volume is blank"
        volume = self.sim.on(item)
        if item.mounted or volume is None or volume.volume_id != named or item.run.status != "blank":
            return 1, "", "no blank volume of that name"
        item.run.first_boot.add(named)
        return 0, "", ""

    def _mark(self, item: SimInstance, script: str) -> tuple[int, str, str]:
        words = [shlex.split(line) for line in script.splitlines()]
        path = words[1][words[1].index("--mountpoint") + 1]
        assert words[2][-1] == f"${{IMMTF_ROOT:-}}{path}/{MARK_FILE}", "the mark goes elsewhere than where it is looked for"
        volume, text = self._at(item, path), words[3][2]
        json.loads(text)
        if volume is None or volume.mark:
            return 1, "", "no mount, or a mark is there"
        volume.mark = text
        return 0, "", ""

    def _remark(self, item: SimInstance, script: str) -> tuple[int, str, str]:
        """Put one mark in the place of another, which has to be there as the script says."""
        words = [shlex.split(line) for line in script.splitlines()]
        path = words[1][words[1].index("--mountpoint") + 1]
        volume, before, after = self._at(item, path), words[2][-1], words[3][2]
        assert f"{path}/{MARK_FILE}" in words[2][1], "the mark is looked for elsewhere than where it is"
        json.loads(after)
        if volume is None or volume.mark != before:
            return 1, "", "no mount, or another mark is there"
        volume.mark = after
        return 0, "", ""

    def _at(self, item: SimInstance, path: str) -> SimVolume | None:
        return self.sim.on(item) if item.mounted and path == MOUNT else None
