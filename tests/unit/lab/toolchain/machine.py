"""A machine as the toolchain sees it: programs that tell their version, pip, apt and dpkg. Strict: what nobody installed can't be run."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from immtf.adapters.process import Captured, Command
from immtf.errors import ToolMissing
from immtf.lab.toolchain import Cache, Toolchain
from immtf.lab.toolchain.pins import PINS, Pins

PROVIDER = "terraform-provider-aws_v3.39.0_x5"
PACKAGE = b"a Debian package that holds Consul"
ETCD_PACKAGE = b"a Debian package that holds etcd"


def make_wheel() -> bytes:
    """Make a wheel with a provider in it, zipped once more as the real one is."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr(PROVIDER, "the provider")
    with zipfile.ZipFile(outer, "w") as wheel:
        wheel.writestr(PINS.aws.member, inner.getvalue())
    return outer.getvalue()


WHEEL = make_wheel()
FITTING = Pins(
    aws=replace(PINS.aws, sha256=hashlib.sha256(WHEEL).hexdigest()),
    consul=replace(PINS.consul, sha256=hashlib.sha256(PACKAGE).hexdigest()),
    etcd=replace(PINS.etcd, sha256=hashlib.sha256(ETCD_PACKAGE).hexdigest()),
)


def _said(stdout: str = "", stderr: str = "", exit_code: int = 0) -> Captured:
    return Captured(exit_code=exit_code, seconds=0.1, stdout=stdout, stderr=stderr)


@dataclass
class Machine:
    """One machine below a directory. `servers` are what its apt sources name; `reached` are those that answer."""

    root: Path
    answers: dict[str, Captured] = field(default_factory=dict)
    wheel: bytes | None = WHEEL
    package: bytes | None = PACKAGE
    targets: str = "http://a/debian/|bookworm|main\nhttp://a/debian/|bookworm-updates|main\n"
    reached: tuple[str, ...] = ("http://a/debian/",)
    registry: bool = False
    without_pip: tuple[str, ...] = ()
    package_holds: str = "usr/bin/consul"
    ran: list[Command] = field(default_factory=list)

    def __call__(self, command: Command, /) -> Captured:
        """Run a command, as `immtf.lab.toolchain.found.Run`."""
        assert command.limit_s > 0
        assert command.cwd.is_dir()
        assert "TF_CLI_CONFIG_FILE" not in command.environment
        self.ran.append(command)
        argv = list(command.argv)
        if argv[0] in self.answers:
            return self._mirrored(argv) if "mirror" in argv else self.answers[argv[0]]
        if argv[1:3] == ["-m", "pip"]:
            return self._pip(argv)
        if argv[0] == "apt-get":
            return self._apt(argv, command.cwd)
        if argv[0] == "dpkg":
            return self._dpkg(argv)
        raise ToolMissing(f"can't start {argv[0]}: No such file or directory")

    def install(self, name: str, version: str, directory: str = "bin") -> Path:
        """Put a program on the machine that tells this version."""
        path = self.root / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
        said = {"consul": f"Consul v{version}\nRevision x\n", "etcd": f"etcd Version: {version}\nGit SHA: x\n"}
        self.answers[str(path)] = _said(said.get(name, json.dumps({"terraform_version": version, "platform": "x"})))
        return path

    def mirror(self, version: str, *, host: str = "registry.terraform.io", directory: str = "home/.terraform.d/plugins") -> Path:
        """Put a provider into a mirror, unpacked."""
        mirror = self.root / directory
        place = mirror / host / "hashicorp" / "aws" / version / "linux_amd64"
        place.mkdir(parents=True)
        (place / f"terraform-provider-aws_v{version}").touch()
        return mirror

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment of a user of this machine."""
        return {"PATH": f"{self.root}/bin:{self.root}/other:", "HOME": f"{self.root}/home", "TF_CLI_CONFIG_FILE": "/nowhere"} | more

    def toolchain(self, environment: dict[str, str] | None = None, *, platform: str = "linux_amd64", pins: Pins = FITTING) -> Toolchain:
        """Give the toolchain of this machine, with a cache below its root."""
        return Toolchain(Cache(self.root / "cache"), self.environment(**(environment or {})), self, platform, pins)

    def commands(self, program: str) -> list[list[str]]:
        """Give every command of this program that was run."""
        return [list(command.argv) for command in self.ran if Path(command.argv[0]).name.startswith(program)]

    def _pip(self, argv: list[str]) -> Captured:
        requirement = Path(argv[argv.index("--requirement") + 1]).read_text()
        assert "--hash=sha256:" in requirement
        if argv[0] in self.without_pip:
            return _said(stderr=f"{argv[0]}: No module named pip", exit_code=1)
        if self.wheel is None:
            return _said(stderr="ERROR: No matching distribution found", exit_code=1)
        Path(argv[argv.index("--dest") + 1], "plugins-0.0.12-py3-none-any.whl").write_bytes(self.wheel)
        return _said("Saved")

    def _apt(self, argv: list[str], cwd: Path) -> Captured:
        if "indextargets" in argv:
            return _said(self.targets)
        source = next(part.partition("=")[2] for part in argv if part.startswith("Dir::Etc::sourcelist="))
        if Path(source).read_text().split()[-3] not in self.reached:
            return _said(stderr="E: Could not connect", exit_code=100)
        if "update" in argv:
            return _said()
        if self.package is None:
            return _said(stderr="E: Unable to locate package consul", exit_code=100)
        if argv[-1] == "etcd-server/bookworm":
            (cwd / "etcd-server_3.4.23-4+b4_amd64.deb").write_bytes(ETCD_PACKAGE)
        else:
            assert argv[-1] == "consul/bullseye"
            (cwd / "consul_1.8.7_amd64.deb").write_bytes(self.package)
        return _said()

    def _dpkg(self, argv: list[str]) -> Captured:
        is_etcd = Path(argv[2]).name.startswith("etcd-server_")
        program = Path(argv[3]) / ("usr/bin/etcd" if is_etcd else self.package_holds)
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
        pin, name, said = (FITTING.etcd, "etcd", "etcd Version: 3.4.23\n") if is_etcd else (FITTING.consul, "consul", "Consul v1.8.7\n")
        fetched = self.root / "cache" / f"{name}-{pin.version}-{pin.sha256[:12]}" / "bin" / name
        self.answers[str(fetched)] = _said(said)
        return _said()

    def _mirrored(self, argv: list[str]) -> Captured:
        if not self.registry:
            return _said(stderr="Error: could not connect to registry", exit_code=1)
        place = Path(argv[-1], "registry.terraform.io/hashicorp/aws")
        place.mkdir(parents=True)
        platform = next(part.partition("=")[2] for part in argv if part.startswith("-platform="))
        (place / f"terraform-provider-aws_3.39.0_{platform}.zip").touch()
        return _said()
