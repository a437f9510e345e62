"""A rehearsal: the real program, run as people run it, in a lab of its own, and looked at from outside.

The program is a child process with a `--home` of its own, so labs of several tests work side by side. What it did is read from its
journal, what became of the world from the cloud's API and from the servers themselves, never from the program's own word. Every
wait has a limit. At the end everything is taken down, and it is shown that nothing of it runs any more.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab import client
from tests.lab.child import Child, Ended, environment, running_in
from tests.lab.cloud import Cloud, watched
from tests.lab.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.lab.cloud import Watch

REPOSITORY = Path(__file__).parents[2]
BLOCK = REPOSITORY / "terraform/blocks/consul"
REQUIRES = re.compile(r"^requires:.*\n(?:[ ]+.*\n|\n(?=[ ]))*", re.MULTILINE)
ADDRESSLESS = {
    "address            = each.value.address\n": "address            = null\n",
    "        bind_addr        = each.value.address # the node's own interface, not the instance's\n": "",
    "[for name in sort(keys(local.nodes)) : local.nodes[name].address]": (
        "flatten([for part in local.ranges : [for host in range(244, 255) : cidrhost(part, host)]])"
    ),
}
GOOD_IMAGE = BLOCK / "lab/images/consul/1.1.0"
RUN_LIMIT_S = 1500.0
SHORT_LIMIT_S = 120.0
GONE_LIMIT_S = 120.0


def copied(tree: Path, *, alone: bool) -> Path:
    """Copy the repository's `terraform/` to `tree` and return the block consul there; `alone`: it has its own network."""
    shutil.copytree(BLOCK.parents[1], tree, ignore=shutil.ignore_patterns(".terraform*", ".immtf"))
    file = tree / "blocks/consul/immtf.yaml"
    if alone:
        file.write_text(REQUIRES.sub("", file.read_text()))
    return file.parent


def rename_group(block: Path) -> None:
    """Give the servers' security group another address in the configuration of a copied block consul, and say so with `moved`."""
    file = block / "main.tf"
    renamed = re.sub(r'(aws_security_group"? ?[."]+)server\b', r"\1servers", file.read_text())
    file.write_text(renamed + "\nmoved {\n  from = aws_security_group.server\n  to   = aws_security_group.servers\n}\n")
    assert renamed.count('servers" {') == renamed.count("aws_security_group.servers.id") == 1


class Rehearsal:
    """One block in one lab. `directory` holds all of it: the program's home, and a copy of the block.

    `alone`: the block needs no other and makes its own network, which is quicker than to make base first; else it is the repository's own.
    """

    def __init__(self, directory: Path, *, alone: bool = True) -> None:
        """Nothing is started yet."""
        self.directory = directory
        self.home = directory / "home"
        self.alone = alone
        self.block = copied(directory / "alone/terraform", alone=True) if alone else BLOCK
        self._children: list[Child] = []

    def copy_block(self, name: str = "block") -> Path:
        """Copy the repository's `terraform/` once more, to be changed; work on the copied block from now on, and return its directory."""
        self.block = copied(self.directory / name / "terraform", alone=self.alone)
        return self.block

    def swap(self) -> None:
        """Work on the form of the block whose nodes are swapped, from now on; it makes its own network."""
        self.block /= "swap"
        file = self.block / "immtf.yaml"
        file.write_text(REQUIRES.sub("", file.read_text()))

    def addressless(self) -> None:
        """Take from swapped nodes the interfaces of their own. Servers look for each other at the subnets' last addresses."""
        main = self.block / "main.tf"
        text = main.read_text()
        for old, new in ADDRESSLESS.items():
            assert text.count(old) == 1, f"{main} holds {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        main.write_text(text)
        shutil.rmtree(self.block / "lab/images")
        shutil.copytree(self.block.parent / "lab/images", self.block / "lab/images")

    def change(self, old: str, new: str) -> None:
        """Change the block's file, which must hold `old`."""
        file = self.block / "immtf.yaml"
        text = file.read_text()
        assert old in text, f"{file} holds no {old!r}"
        file.write_text(text.replace(old, new))

    def add_image(self, version: str, tree: Path = GOOD_IMAGE, *, promoted: bool = True) -> Path:
        """Give the copied block one more image, made from this tree; return its place, where it can be changed."""
        place = self.block / "lab/images/consul" / version
        shutil.copytree(tree, place)
        (place / "etc/image-version").write_text(f"{version}\n")
        if not promoted:
            (place / "etc/unpromoted").touch()
        return place

    def begin(self, command: str, *arguments: str, lab: bool = True, variables: dict[str, str] | None = None) -> Child:
        """Start a command on the block and return it at work."""
        place = ("--lab", "--home", str(self.home)) if lab else ("--home", str(self.home))
        argv = [sys.executable, "-m", "immtf", command, str(self.block), *place, "--output", "json", *arguments]
        child = Child(argv, self.directory, self.home / "runs", environment(REPOSITORY) | (variables or {}))
        self._children.append(child)
        return child

    def run(self, command: str, *arguments: str, limit_s: float = RUN_LIMIT_S, **settings: Any) -> Ended:
        """Run a command on the block to its end."""
        return self.begin(command, *arguments, **settings).ended(limit_s)

    def kill_at(
        self, point: Callable[[dict[str, Any]], bool], command: str, *arguments: str, tree: bool = False, limit_s: float = RUN_LIMIT_S
    ) -> Ended:
        """Start a command and SIGKILL it at the first event of its journal for which `point` holds; with `tree`, its children too."""
        child = self.begin(command, *arguments)
        child.until(point, limit_s)
        child.kill(tree=tree)
        return child.ended(SHORT_LIMIT_S)

    def say(self, *words: str, limit_s: float = RUN_LIMIT_S) -> Ended:
        """Run a command that is on no block to its end, in the program's home."""
        argv = [sys.executable, "-m", "immtf", *words, "--home", str(self.home), "--output", "json"]
        child = Child(argv, self.directory, self.home / "runs", environment(REPOSITORY))
        self._children.append(child)
        return child.ended(limit_s)

    def begin_image(self, verb: str, *arguments: str) -> Child:
        """Start `image VERB` for the block's family and return it at work."""
        place = ("--block", str(self.block), "--lab", "--home", str(self.home), "--output", "json")
        argv = [sys.executable, "-m", "immtf", "image", verb, *arguments, *place]
        child = Child(argv, self.directory, self.home / "runs", environment(REPOSITORY))
        self._children.append(child)
        return child

    def image(self, verb: str, *arguments: str, limit_s: float = RUN_LIMIT_S) -> Ended:
        """Run `image VERB` for the block's family to its end."""
        return self.begin_image(verb, *arguments).ended(limit_s)

    def create(self, image: str, *arguments: str) -> Ended:
        """Create the environment from an image, and see that it went well."""
        return self.run("create", "--yes", "--image", image, *arguments).expect(0)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Return the rows of `status` by node."""
        status = self.run("status", limit_s=SHORT_LIMIT_S).expect(0)
        return {row["node"]: row for row in status.one("status_taken")["rows"]}

    @property
    def lab(self) -> client.Lab:
        """The lab, which must be up."""
        found = client.find(self.home / "labs/default")
        assert found is not None, "there is no lab"
        return found

    @property
    def cloud(self) -> Cloud:
        """The lab's cloud, as its API tells it."""
        return Cloud(self.lab)

    @property
    def store(self) -> Store:
        """The servers' key-value store, through the addresses of those that run."""
        return Store(self.cloud.addresses())

    def watched(self) -> AbstractContextManager[Watch]:
        """Watch the cloud's instances while the body runs."""
        return watched(self.lab)

    def close(self) -> None:
        """End what was started and take every lab down; then nothing on this machine may have to do with this rehearsal."""
        for child in self._children:
            child.kill(tree=True)
        for lab in sorted((self.home / "labs").glob("*")):
            client.down(lab)
        deadline = time.monotonic() + GONE_LIMIT_S
        while (left := running_in(self.directory)) and time.monotonic() < deadline:
            time.sleep(0.1)  # a controller that let go of its lab is still on its way out
        assert not left, f"still running: {left}"

    def left(self) -> list[str]:
        """Return what is left of labs in the program's home."""
        return sorted(path.name for path in (self.home / "labs").glob("*"))
