"""A machine for the volume script: a container with loop devices, whose volumes come and go as on EC2.

The script runs without systemd here; what it does under its unit is seen where a whole image is booted.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

IMAGE = "debian:bookworm-slim"
SCRIPT = Path(__file__).parents[2] / "packer/base/files/immtf-volume"
LOOPS_MAY_BE_MADE = [
    *("--cap-add", "SYS_ADMIN", "--cap-add", "MKNOD", "--security-opt", "apparmor=unconfined"),
    *("--device", "/dev/loop-control", "--device-cgroup-rule", "b 7:* rmw"),
]
BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
LIMIT_S = 300.0
LOOKS_S = 1.5  # the script looks ten times meanwhile

_numbers = itertools.count(1)


def docker(*arguments: str, standard_input: str = "") -> str:
    """Run a command of Docker's; what it fails with is told."""
    ended = subprocess.run(["docker", *arguments], input=standard_input, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if ended.returncode != 0:
        raise AssertionError(f"docker {arguments[0]} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout.strip()


@dataclass
class Machine:
    """The container `name`."""

    name: str
    loops: list[str] = field(default_factory=list)

    def sh(self, script: str) -> str:
        """Run a script in it; a failing one fails the test."""
        return docker("exec", "-i", self.name, "sh", "-eu", standard_input=script)

    def holds(self, script: str) -> bool:
        """Whether a script ends well."""
        return docker("exec", "-i", self.name, "sh", "-c", f"if {script}; then echo yes; fi") == "yes"

    def wait(self, script: str) -> None:
        """Wait until a script ends well, in one call."""
        looks = int(LIMIT_S / 4 / 0.1)
        text = f"for look in $(seq {looks}); do if {script}; then exit 0; fi; sleep 0.1; done; cat /t/*.log >&2; exit 1"
        docker("exec", "-i", self.name, "sh", "-c", text)

    def volume(self, content: str = "", megabytes: float = 16) -> str:
        """Make a volume on a loop device, with what a script writes to `$v`; its serial."""
        serial = f"vol0{next(_numbers):x}{time.monotonic_ns():x}"
        made = self.sh(f"""
            for n in $(seq 0 99); do [ -b /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done
            truncate -s {int(megabytes * 1024)}K /t/{serial}; v=/t/{serial}; {content}
            losetup --find --show "$v" """)
        self.loops.append(made.splitlines()[-1])
        self.sh(f"ln -s {self.loops[-1]} /t/{serial}.loop")
        return serial

    def attach(self, serial: str, node: str = "nvme1n1", *, asked: str = "xvdf", link: bool = True) -> None:
        """Let a volume appear as a device, with the link that udev makes for EBS and the one for the name that was asked for."""
        self.sh(f"loop=$(readlink /t/{serial}.loop); mkdir -p /dev/disk/by-id; mknod /dev/{node} b 7 ${{loop#/dev/loop}}")
        if link:
            self.sh(f"ln -s ../../{node} {BY_ID}{serial}; ln -s ../../{node} {BY_ID}{serial}_1; ln -s ../../{node} {BY_ID}{serial}-part1")
        if asked:
            self.sh(f"ln -s {node} /dev/{asked}")

    def detach(self, *nodes: str) -> None:
        """Let devices go, in use or not."""
        self.sh(f"cd /dev; rm -f {' '.join(nodes)} xvd* sd? disk/by-id/*")

    def bring(self, name: str = "data", **conf: str) -> None:
        """Start the script for a volume that belongs at `/srv/NAME`."""
        lines = "\n".join(f"{key}={value}" for key, value in {"mount": f"/srv/{name}", **conf}.items())
        self.sh(f"mkdir -p /etc/immtf/volumes.d; cat >/etc/immtf/volumes.d/{name}.conf <<'END'\n{lines}\nEND\nrm -f /t/{name}.*")
        run = f"immtf-volume {name} >/t/{name}.log 2>&1 & echo $! >/t/{name}.pid; wait $!; echo $? >/t/{name}.rc"
        docker("exec", "-d", "-e", "IMMTF_VOLUME_POLL_S=0.15", self.name, "sh", "-c", run)
        self.wait(f'[ -s /t/{name}.log ] || [ -s /t/{name}.rc ] || [ -n "$(ls /run/immtf 2>/dev/null)" ]')

    def stop(self, name: str = "data", signal: str = "TERM") -> int:
        """Send a signal and return the script's exit code."""
        self.sh(f"kill -s {signal} $(cat /t/{name}.pid) 2>/dev/null || :")
        return self.code(name)

    def code(self, name: str = "data") -> int:
        """Return the exit code, once the script has ended."""
        self.wait(f"[ -s /t/{name}.rc ]")
        return int(self.sh(f"cat /t/{name}.rc"))

    def word(self, serial: str) -> str:
        """Return what the image says of a volume; "" where it says nothing."""
        return self.sh(f"head -n 1 /run/immtf/volume-{serial}.status 2>/dev/null || :")

    def await_word(self, serial: str, word: str) -> None:
        """Wait until the image says this of a volume."""
        self.wait(f'[ "$(head -n 1 /run/immtf/volume-{serial}.status 2>/dev/null)" = {word} ]')

    def await_mounted(self, name: str = "data") -> None:
        """Wait until something is mounted, and the script knows it."""
        self.wait(f"mountpoint -q /srv/{name} && grep -q 'is mounted$' /t/{name}.log")

    def mark(self, serial: str, named: str = "") -> None:
        """Give a first-boot mark in a volume's name; `named` is what stands in it."""
        self.sh(f"mkdir -p /run/immtf/first-boot; echo {named or serial.replace('vol', 'vol-', 1)} >/run/immtf/first-boot/{serial}")

    def digest(self, serial: str) -> str:
        """Return the checksum of a volume, as its loop device gives it."""
        return self.sh(f"sha256sum <$(readlink /t/{serial}.loop)")

    def clear(self) -> None:
        """Make it an empty machine again."""
        self.sh("""
            for pid in /t/*.pid; do [ ! -e "$pid" ] || kill -s KILL "$(cat "$pid")" 2>/dev/null || :; done
            for place in /srv/*; do umount -l "$place" 2>/dev/null || :; done
            cd /dev; rm -f nvme* xvd* sd? disk/by-id/*
            rm -rf /run/immtf /etc/immtf/volumes.d/* /t/* /srv/*""")
        for loop in self.loops:
            self.sh(f"losetup --detach {loop} || :")
        self.loops.clear()
