"""The command that runs immtf's container in a user's situation: pure, from what is set and what is there to the words of `docker run`.

- The block: what Terraform needs of it is mounted at `/block`, which is its git top level, or higher where its modules reach higher;
  nothing is mounted where the block is in the image.
- Credentials: a variable goes in by its name alone, so that no secret stands in a command, a shell's history or `ps`. Where a
  variable names a file, that file is mounted, to be read only, and the variable names it inside. Without any of them the role of
  the machine is used, to which a container is one network hop more.
- What is kept: journals, leases and the states of test environments are in the container's home, which is a volume, or a directory.
- The user is the one who calls, so that what Terraform writes beside the block is theirs; with the block in the image it is the image's.
- Docker's engine, for the lab's runtime `docker` and for the container of a block's previous version: its socket and the socket's
  group. What such a container hands on to the engine are paths of the machine, so what is kept is at the same path inside and outside.

Called inside the container, nothing of the machine can be seen: the shell of whoever copies the command fills in what `Shell` says.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePath

HOME = PurePosixPath("/home/immtf")
BLOCK = PurePosixPath("/block")
SECRETS = PurePosixPath("/run/outside")
NAMED = (0, 1000)  # who has a name in the image
SOCKET = "/var/run/docker.sock"
STOP_S = 1800  # as long as a node may be on its way; process 1 waits for a Terraform that was left as long (adapters/init)

# Variables that name files, each with where its file is inside. The first two stand in for files of ~/.aws.
FILES = {
    "AWS_CONFIG_FILE": SECRETS / "aws-config",
    "AWS_SHARED_CREDENTIALS_FILE": SECRETS / "aws-credentials",
    "AWS_WEB_IDENTITY_TOKEN_FILE": SECRETS / "aws-token",
    "AWS_CA_BUNDLE": SECRETS / "aws-ca.pem",
    "CONSUL_CACERT": SECRETS / "consul-ca.pem",
    "CONSUL_CLIENT_CERT": SECRETS / "consul-cert.pem",
    "CONSUL_CLIENT_KEY": SECRETS / "consul-key.pem",
    "ETCDCTL_CACERT": SECRETS / "etcd-ca.pem",
    "ETCDCTL_CERT": SECRETS / "etcd-cert.pem",
    "ETCDCTL_KEY": SECRETS / "etcd-key.pem",
    "GITHUB_STEP_SUMMARY": SECRETS / "summary.md",
}
WRITTEN = frozenset(("GITHUB_STEP_SUMMARY",))
CREDENTIALS = frozenset(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"))
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
WELL_KNOWN = (*KEYS, "AWS_REGION", "AWS_DEFAULT_REGION")
_PASSED = ("AWS_", "CONSUL_", "ETCDCTL_", "IMMTF_", "TF_VAR_", "TF_TOKEN_", "TF_LOG", "TF_WORKSPACE", "GITHUB_ACTIONS", "GITLAB_CI")
_ALSO = frozenset(("USER", *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (upper, upper.lower()))))
# What these say is true of this machine only, or is said by the command itself.
_OF_THIS_MACHINE = frozenset(
    (
        "IMMTF_HOME",
        "IMMTF_BLOCK",
        "IMMTF_TERRAFORM",
        "IMMTF_CONSUL",
        "IMMTF_ETCD",
        "IMMTF_INSIDE",
        "IMMTF_CONTAINER",
        "IMMTF_VOLUME",
        "TF_LOG_PATH",
    )
)
ROLE = (
    "no credentials are set: the machine's role is used. On EC2 a container is one hop more, so the instance must allow two:"
    " aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2"
)
INSIDE = (
    "what is set on the machine can't be seen from inside the container: give more variables by name (-e NAME), files with -v FILE:FILE:ro"
)


class Shell(str):
    """A word for the shell to fill in; everything else is quoted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of whoever calls.

    `environment` is theirs; `files` are those of its variables in `FILES` whose file is there. `top` is the directory to be mounted,
    `block` the block's directory in it; both are None where the block is in the image. `keep` is a volume's name, or a path, which is
    there or not (`keep_there`). `user` is
    the caller's user and group. `aws_files` is the directory of the AWS files (`~/.aws`), where there is one. `engine`: the container
    needs Docker's engine, at `socket`, whose group is `socket_group`.
    """

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    top: PurePath | None = None
    block: PurePath | None = None
    keep: str = "immtf"
    keep_there: bool = True
    user: tuple[int, int] | None = None
    terminal: bool = False
    aws_files: PurePath | None = None
    engine: bool = False
    socket: str = SOCKET
    socket_group: int | None = None
    inside: bool = False
    baked: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """The command, as lines of words, and what a person should know about it."""

    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """Return the words of the command, as they are."""
        return [word for line in self.lines for word in line]

    def text(self, between: str = " \\\n  ") -> str:
        """Return the command for a shell."""
        return between.join(" ".join(word if isinstance(word, Shell) else shlex.quote(word) for word in line) for line in self.lines)


def docker_run(situation: Situation) -> Call:
    """Return the command for a situation."""
    return Call(
        (
            ("docker", "run", "--rm", *(("--interactive", "--tty") if situation.terminal else ())),
            (f"--stop-timeout={STOP_S}",),
            *_user(situation),
            *_block(situation),
            *_kept(situation),
            *_variables(situation),
            *_engine(situation),
            (situation.image, *situation.command),
        ),
        tuple(_notes(situation)),
    )


def needs_engine(command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Whether immtf's own command, or a variable, asks for what only Docker's engine can do."""
    pairs = dict(pairwise(command)) | dict(word.split("=", 1) for word in command if "=" in word)
    runtime = pairs.get("--lab-runtime") or environment.get("IMMTF_LAB_RUNTIME")
    source = pairs.get("--from") or environment.get("IMMTF_FROM") or ""
    tagged = ":" in source and not source.startswith("git:")
    return runtime == "docker" or tagged


def passed(name: str) -> bool:
    """Whether a variable goes into the container by its name; those that name files go otherwise."""
    return (name.startswith(_PASSED) or name in _ALSO) and name not in _OF_THIS_MACHINE and name not in FILES


def _user(situation: Situation) -> Iterator[tuple[str, ...]]:
    """Be the caller, who needs a name inside too: ssh works for nobody without one. A block in the image is its user's there."""
    if situation.baked and not situation.engine and "/" not in situation.keep:
        return
    if situation.inside or (situation.user is not None and situation.user[0] not in NAMED):
        yield ("--volume", "/etc/passwd:/etc/passwd:ro")
    if situation.inside:
        yield ("--user", _filled(situation, "$(id -u):$(id -g)"))
    elif situation.user is not None:
        yield ("--user", "{}:{}".format(*situation.user))


def _block(situation: Situation) -> Iterator[tuple[str, ...]]:
    if situation.baked:
        return
    if situation.inside:
        yield ("--volume", _filled(situation, f"$PWD:{BLOCK}"))
    elif situation.top is not None and situation.block is not None:
        yield ("--volume", f"{situation.top}:{BLOCK}")
        yield (f"--workdir={BLOCK / situation.block.relative_to(situation.top)}",)


def _kept(situation: Situation) -> Iterator[tuple[str, ...]]:
    place = "$PWD/.immtf" if situation.inside else situation.keep
    if situation.engine:
        yield ("--volume", _filled(situation, f"{place}:{place}"))
        yield ("--env", _filled(situation, f"IMMTF_HOME={place}"))
        yield ("--env", _filled(situation, f"XDG_STATE_HOME={place}/state"))
    else:
        yield ("--volume", f"{situation.keep}:{HOME / '.immtf' if '/' in situation.keep else HOME}")


def _filled(situation: Situation, word: str) -> str:
    """Return the word; inside the container the shell outside fills it in."""
    return Shell(f'"{word}"') if situation.inside else word


def _variables(situation: Situation) -> Iterator[tuple[str, ...]]:
    names = {name for name, value in situation.environment.items() if value and passed(name)}
    for name in sorted(names | (set(WELL_KNOWN) if situation.inside else set())):
        yield ("--env", name)
    for name in sorted(situation.files):
        yield ("--volume", f"{situation.environment[name]}:{FILES[name]}" + ("" if name in WRITTEN else ":ro"))
        yield ("--env", f"{name}={FILES[name]}")
    if situation.aws_files is not None and not _has_keys(situation):
        yield ("--volume", f"{situation.aws_files}:{HOME / '.aws'}:ro")


def _engine(situation: Situation) -> Iterator[tuple[str, ...]]:
    if not situation.engine:
        return
    yield ("--volume", f"{situation.socket}:{SOCKET}")
    if situation.inside:
        yield ("--group-add", _filled(situation, f"$(stat -c %g {SOCKET})"))
    elif situation.socket_group is not None:
        yield (f"--group-add={situation.socket_group}",)
    yield ("--network=host",)


def _notes(situation: Situation) -> Iterator[str]:
    environment = situation.environment
    if situation.inside:
        yield INSIDE
    elif not (
        _has_keys(situation) or situation.aws_files or situation.files & CREDENTIALS or "AWS_CONTAINER_CREDENTIALS_FULL_URI" in environment
    ):
        yield ROLE
    if not situation.keep_there:
        yield f"{situation.keep} isn't there, and Docker would make it root's: mkdir -p {shlex.quote(situation.keep)}"
    missing = sorted(name for name in FILES if environment.get(name) and name not in situation.files)
    if missing and not situation.inside:
        yield f"left out, as there is no such file: {', '.join(missing)}"
    if any(item.startswith("/") for item in environment.get("IMMTF_VAR_FILE", "").split(":")):
        yield f"IMMTF_VAR_FILE names a path of this machine: inside, what is beside the block is below {BLOCK}"
    if situation.engine and situation.environment.get("DOCKER_HOST", "unix:").partition(":")[0] != "unix":
        yield "DOCKER_HOST is no socket of this machine: give the container DOCKER_HOST and its certificates instead of the socket"


def _has_keys(situation: Situation) -> bool:
    return bool(situation.environment.get(KEYS[0])) and not situation.environment.get("AWS_PROFILE")
