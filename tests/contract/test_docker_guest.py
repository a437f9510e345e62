"""The inside of runtime `docker`'s instances, with real containers: who may log in, what user data does, and what happens to a volume.

Few instances, each of them taken far: each test takes its volumes from nothing to a word, and through a stop.
"""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from immtf.lab.runtime import InstanceSpec, VolumeBusy
from immtf.model.guest import Mark
from immtf.plan.facts import facts_script, first_boot_script, mark_script, parse_facts
from tests.contract.runtime_benches import DATA, LABS, LIMIT_S, eventually, make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.lab.docker.runtime import DockerRuntime
    from immtf.model.guest import GuestFacts

pytestmark = pytest.mark.docker
BOTH = pytest.mark.parametrize("kind", LABS.values())
SERVE = {
    "name": "web",
    "after": [DATA],
    "command": ["python3", "-m", "http.server", "--bind", "{address}", "--directory", "{root}/var/lib/data", "8080"],
}
CONFIG = """\
#cloud-config
write_files:
  - path: /root/written
    content: "from YAML\\n"
runcmd:
  - [sh, -c, "id -un >/root/ran"]
"""


class Guest:
    """An instance, and the words that the tests use."""

    def __init__(self, runtime: DockerRuntime, number: int, image_id: str = "ami-data", user_data: str = "", public_key: str = "") -> None:
        self.runtime, self.id = runtime, f"i-{number}"
        self.address = str(IPv4Network(runtime.cidr)[256 + number])
        runtime.boot(InstanceSpec(self.id, image_id, self.address, "eu-west-1a", user_data.encode(), public_key=public_key))

    def code(self, script: str) -> int:
        return self.runtime.execute(self.id, script, timeout_s=LIMIT_S).exit_code

    def sh(self, script: str) -> str:
        done = self.runtime.execute(self.id, script, timeout_s=LIMIT_S)
        assert done.exit_code == 0, done
        return done.stdout.strip()

    def facts(self) -> GuestFacts:
        return parse_facts(self.sh(facts_script([DATA])), [DATA])

    def says(self, volume_id: str, word: str) -> None:
        eventually(lambda: self.facts().status(volume_id) == word)

    def ready(self) -> None:
        """Wait until user data is done, which is when the lab's own services begin."""
        eventually(lambda: self.code("systemctl is-active --quiet cloud-final.service") == 0)

    def serves(self) -> None:
        eventually(lambda: self.code(f"python3 -c 'import urllib.request as u; u.urlopen(\"http://{self.address}:8080\", timeout=5)'") == 0)

    def attached(self, volume_id: str, made: str, device: str = "/dev/xvdf") -> None:
        """Make a volume, do to `$d`, its device or what stands for that, what a shell script does, and attach it where one is wanted."""
        self.runtime.create_volume(volume_id)
        self.runtime.attach(volume_id, self.id, "/dev/xvdz")
        self.sh(f"d=$(readlink -e /run/immtf-lab/volumes/{volume_id}/disk || echo /dev/xvdz); {made}; sync")
        self.runtime.detach(volume_id)
        self.runtime.attach(volume_id, self.id, device)

    def marked(self, volume_id: str) -> int:
        return self.code(first_boot_script(DATA, volume_id))


@pytest.fixture
def kind() -> str:
    """The shared lab that a test is carried out in; what becomes of volumes is asked of both kinds."""
    return LABS["docker"]


@pytest.fixture
def runtime(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DockerRuntime]:
    """The shared lab, with an image of these tests' own; whatever a test leaves of instances goes with it."""
    _, made = request.getfixturevalue(kind)
    made.register_image("ami-data", str(make_tree(tmp_path / "data", services=[SERVE])))
    yield made
    for row in made.instances():
        made.terminate(row.instance_id)
    made.delete_image("ami-data")


def log_in(key: Path, address: str, command: str) -> subprocess.CompletedProcess[str]:
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "ConnectTimeout=60"]
    words = ["ssh", "-F", "none", "-i", str(key), *(word for option in options for word in ("-o", option)), f"admin@{address}", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh")
def test_the_key_pair_logs_in_and_user_data_runs_once_per_instance(runtime: DockerRuntime, tmp_path: Path) -> None:
    for name in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", tmp_path / name], check=True, timeout=LIMIT_S)
    public = (tmp_path / "key.pub").read_text().strip()
    guest = Guest(runtime, 1, user_data="#!/bin/sh\nid -un >>/root/runs\n", public_key=public)
    eventually(lambda: log_in(tmp_path / "key", guest.address, "sudo id -un").stdout == "root\n")
    assert "Permission denied" in log_in(tmp_path / "other", guest.address, "true").stderr
    guest.ready()
    assert guest.sh("cat /root/runs; hostname").split() == ["root", f"ip-{guest.address.replace('.', '-')}"]
    host_key = guest.sh("cat /etc/ssh/ssh_host_ed25519_key.pub")

    runtime.stop(guest.id)
    runtime.start(guest.id)
    guest.ready()
    assert guest.sh("cat /root/runs") == "root"
    assert guest.sh("cat /etc/ssh/ssh_host_ed25519_key.pub") == host_key

    runtime.stop(guest.id)
    runtime.create_image("ami-again", guest.id)
    second = Guest(runtime, 2, "ami-again", CONFIG)
    second.ready()
    assert second.sh("cat /root/runs /root/written /root/ran") == "root\nfrom YAML\nroot"
    assert second.sh("cat /etc/ssh/ssh_host_ed25519_key.pub") != host_key


@BOTH
def test_a_late_blank_volume_is_formatted_under_its_own_mark_only_and_kept_through_stops(runtime: DockerRuntime) -> None:
    guest = Guest(runtime, 3)
    guest.ready()
    assert guest.facts().mounts[0].mounted is False
    assert guest.sh("systemctl show -P ActiveState web ssh").split() == ["inactive", "active"]

    runtime.create_volume("vol-0a1")
    runtime.attach("vol-0a1", guest.id, "/dev/sdf")
    guest.says("vol-0a1", "blank")
    assert guest.marked("vol-0b2") != 0
    guest.sh("mkdir -p /run/immtf/first-boot; echo vol-0b2 >/run/immtf/first-boot/vol0a1; sleep 1")
    guest.sh("head -c 1048576 /dev/xvdf | cmp -n 1048576 - /dev/zero")
    assert guest.marked("vol-0a1") == 0
    eventually(lambda: guest.facts().mounts[0].mounted)
    (mount,) = guest.facts().mounts
    assert (mount.kind, mount.serial, bool(mount.filesystem), guest.facts().statuses) == ("ext4", "vol0a1", True, {})
    assert guest.code(f"test -e /run/immtf/first-boot/vol0a1 || ! findmnt {DATA}") != 0
    guest.serves()
    mark = Mark("consul", "server", "n1", "vol-0a1", mount.filesystem)
    guest.sh(mark_script(DATA, mark))

    runtime.stop(guest.id)  # in order: the filesystem needs no recovery then
    runtime.detach("vol-0a1")
    runtime.start(guest.id)
    runtime.attach("vol-0a1", guest.id, "/dev/xvdz")
    assert "needs_recovery" not in guest.sh("dumpe2fs -h /dev/xvdz 2>&1")
    runtime.detach("vol-0a1")
    runtime.attach("vol-0a1", guest.id, "/dev/xvdf")
    eventually(lambda: guest.facts().mounts[0].mark == mark)

    guest.sh(f"echo kept >{DATA}/kept; sync")
    runtime.stop(guest.id, force=True)  # as a power cut: the journal is replayed
    runtime.start(guest.id)
    guest.serves()
    assert guest.sh(f"cat {DATA}/kept") == "kept"


CASES = {
    "f": ("foreign", "head -c 3000000 /dev/urandom 1<>$d"),
    "g": ("foreign", "mkswap $d >/dev/null"),
    "h": ("foreign", "echo ',,L' | sfdisk -q $d"),
    "i": ("foreign", "printf x | dd of=$d bs=1 seek=900000 conv=notrunc 2>/dev/null"),
    "j": ("damaged", "mkfs.ext4 -q $d; dd if=/dev/urandom of=$d bs=4k seek=1 count=4000 conv=notrunc 2>/dev/null"),
}
FOREIGN = " ".join(f"/dev/xvd{name}" for name, (word, _) in CASES.items() if word == "foreign")
SUMS = f"for d in {FOREIGN}; do head -c 4000000 $d | sha256sum; done"


@BOTH
def test_what_is_no_whole_filesystem_of_ours_is_told_by_its_word_and_never_formatted(runtime: DockerRuntime, tmp_path: Path) -> None:
    mounts = [{"device": f"/dev/xvd{name}", "path": f"/srv/{name}"} for name in CASES]
    runtime.register_image("ami-many", str(make_tree(tmp_path / "tree", mounts=mounts, services=[])))
    guest = Guest(runtime, 4, "ami-many")
    for name, (_, made) in CASES.items():
        guest.attached(f"vol-0c{name}", made, f"/dev/xvd{name}")
    words = {f"vol0c{name}": word for name, (word, _) in CASES.items()}
    eventually(lambda: guest.facts().statuses == words)
    before = guest.sh(SUMS)
    for name in CASES:
        assert guest.code(first_boot_script(f"/srv/{name}", f"vol-0c{name}")) != 0
        guest.sh(f"mkdir -p /run/immtf/first-boot; echo vol-0c{name} >/run/immtf/first-boot/vol0c{name}")
    for _ in range(5):  # a word doesn't come and go
        assert guest.facts().statuses == words
    assert (guest.sh(SUMS), guest.code("grep -q ' /srv/' /proc/1/mountinfo")) == (before, 1)
    runtime.detach("vol-0cf")
    eventually(lambda: "vol0cf" not in guest.facts().statuses)
    guest.attached("vol-0d1", "mkfs.ext4 -q $d")  # whole, and a stranger's: it is mounted as it is, and immtf judges what stands on it
    eventually(lambda: guest.code("findmnt --mountpoint /srv/f") == 0)


@BOTH
def test_a_check_that_takes_its_time_is_told_and_services_wait_for_it(runtime: DockerRuntime, tmp_path: Path) -> None:
    mount = {"device": "/dev/xvdf", "path": DATA, "check_s": 12}
    runtime.register_image("ami-slow", str(make_tree(tmp_path / "tree", mounts=[mount], services=[SERVE])))
    guest = Guest(runtime, 5, "ami-slow")
    guest.attached("vol-0e1", "mkfs.ext4 -q $d")
    guest.says("vol-0e1", "recovering")
    assert guest.sh("systemctl show -P ActiveState web lab-mount-var-lib-data").split() == ["inactive", "activating"]
    guest.serves()
    assert guest.facts().statuses == {}
    guest.sh("systemctl kill -s KILL web")
    eventually(lambda: int(guest.sh("systemctl show -P NRestarts web")) >= 1)
    guest.serves()


def test_a_program_that_is_fetched_later_comes_into_the_images_after_it(
    runtime: DockerRuntime, docker_lab: tuple[Path, DockerRuntime], tmp_path: Path
) -> None:
    """Etcd is fetched for the first block that wants it, when the lab has images already; and its services are started by `sh`."""
    program = docker_lab[0].parent / "programs/etcd"
    program.write_text("#!/bin/sh\nexec sleep infinity\n")
    program.chmod(0o755)
    service = {"name": "kept", "command": ["sh", "-c", "touch {root}/run/kept; exec etcd"]}
    runtime.register_image("ami-late", str(make_tree(tmp_path / "tree", mounts=[], services=[service])))
    guest = Guest(runtime, 6, "ami-late")
    eventually(lambda: guest.code("test -e /run/kept && pgrep -x sleep") == 0)
    assert guest.sh("command -v etcd") == "/usr/local/bin/etcd"


HOLD = """\
mkdir -p /srv/other && mount -t ext4 -o noexec,data=ordered /dev/xvdz /srv/other
setsid sh -c 'exec 3>/srv/other/held; cd /; until [ -e /tmp/let-go ]; do sleep 0.1; done; echo late >&3' >/dev/null 2>&1 &
until [ -e /srv/other/held ]; do sleep 0.1; done
umount -l /srv/other
"""


@pytest.mark.parametrize("kind", [LABS["docker-directories"]])
def test_a_directory_is_a_device_for_those_who_know_it_and_for_nobody_else(runtime: DockerRuntime) -> None:
    guest = Guest(runtime, 6)
    guest.attached("vol-0f1", "mkfs.ext4 -q $d", "/dev/xvdz")
    assert guest.code("wc -c </dev/xvdz") != 0
    guest.sh("printf x | dd of=/dev/xvdz bs=1 seek=500")
    assert guest.sh("dd if=/dev/xvdz bs=1 skip=500 count=1; head -c 1000 /dev/xvdz | wc -c") == "x1000", "it keeps its size"
    assert "column WWN" in runtime.execute(guest.id, "lsblk -n -o SERIAL,WWN /dev/xvdz", timeout_s=LIMIT_S).stderr
    assert guest.code("mount -t xfs /dev/xvdz /mnt") == 32
    assert guest.sh("lsblk -n -o SERIAL,FSTYPE /dev/sdz; findmnt -n -o FSTYPE /proc; echo text | head -c 2") == "vol0f1 ext4\nproc\nte"

    guest.sh(HOLD)
    assert guest.code("findmnt /srv/other") != 0
    with pytest.raises(VolumeBusy):  # nothing is mounted, and a program has a file of it open
        runtime.detach("vol-0f1")
    runtime.detach("vol-0f1", force=True)
    guest.sh('touch /tmp/let-go; [ ! -e /dev/xvdz ] && [ -z "$(ls /run/immtf-lab/volumes)" ]')
    runtime.attach("vol-0f1", guest.id, "/dev/xvdz")
    mounted = guest.sh("mount /dev/xvdz /srv/other && findmnt -n -o SOURCE,OPTIONS -M /srv/other; cat /srv/other/held")
    assert mounted == "/dev/vol-0f1 rw,relatime", "what was written late is not there"

    runtime.create_image("ami-again", guest.id)
    other = Guest(runtime, 7, "ami-again")
    assert other.sh("ls /srv/other /run/immtf-lab/volumes") == "/run/immtf-lab/volumes:\n\n/srv/other:"
    runtime.terminate(other.id)
    runtime.delete_image("ami-again")
