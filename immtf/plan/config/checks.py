"""What a single value can't show: checks over several places of the file, and the one look at the disk.

They read the plain data and not the validated models, and pass over what has the wrong type, so that they speak beside the
schema's mistakes and not only after these are mended.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from immtf.model.block import ServiceGate, TestinfraGate
from immtf.plan.config.build import build_gate
from immtf.plan.config.gates import KINDS
from immtf.plan.config.requires import requires_checks
from immtf.plan.testfiles import missing_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path as FilePath

    from immtf.model.block import Gate
    from immtf.plan.config.document import Path

_WAYS = {"user": "ssh", "port": "ssh", "key_env": "ssh", "container": "docker"}  # which connection a setting is of
# Path, what, hint; the place is found by the path.
Remark = tuple["Path", str, str]


def cross_checks(data: dict[str, Any], directory: FilePath) -> Iterator[Remark]:
    """Go through everything that concerns several places; `directory` is the one that holds the file."""
    yield from _root_module(data, directory)
    yield from _requires_itself(data)
    yield from requires_checks(data)
    yield from _restore(data)
    clusters = _mapping(data, "clusters")
    yield from _twice("nodes", ((("clusters", name, "nodes"), _get(cluster, "nodes")) for name, cluster in clusters.items()), str)
    for name, cluster in clusters.items():
        yield from _volumes(name, cluster)
        yield from _gates(name, cluster, directory)
        yield from _tests(name, cluster, directory)
        yield from _quorum(name, cluster, directory)


def _root_module(data: dict[str, Any], directory: FilePath) -> Iterator[Remark]:
    """See that the root module is there, and is one."""
    named = data.get("terraform", ".")
    if not isinstance(named, str) or not named.strip() or "\0" in named:
        return
    try:
        files = [path.name for path in (directory / named).iterdir()]
    except OSError as error:
        hint = "name Terraform's root module, relative to this file"
        yield ("terraform",), f"the directory `{named}` can't be read: {error.strerror}", hint
        return
    if not any(file.endswith((".tf", ".tf.json", ".tofu", ".tofu.json")) for file in files):
        yield ("terraform",), f"the directory `{named}` holds no Terraform files", "name Terraform's root module"


def _requires_itself(data: dict[str, Any]) -> Iterator[Remark]:
    block = data.get("block")
    if isinstance(block, str) and block in _mapping(data, "requires"):
        yield ("requires", block), "a block can't need itself", ""


def _restore(data: dict[str, Any]) -> Iterator[Remark]:
    """See that the data come from one place, and that each setting is of that."""
    restore = _mapping(data, "restore")
    if "restore" in data and isinstance(data["restore"], dict) and ("run" in restore) == ("snapshot" in restore):
        how = "both `run` and" if "run" in restore else "neither `run` nor"
        yield ("restore",), f"{how} `snapshot`: the data come from one of them", ""
    for key, way in (("variable", "snapshot"), ("timeout", "run")):
        if key in restore and way not in restore:
            yield ("restore", key), f"`{key}` is of `{way}`, which is not here", ""


def _volumes(name: str, cluster: Any) -> Iterator[Remark]:
    """See that no two volumes are mounted at one place."""
    volumes = _mapping(cluster, "volumes").items()
    mounts = ((("clusters", name, "volumes", key, "mount"), _get(volume, "mount")) for key, volume in volumes)
    yield from _twice("mount", mounts, lambda mount: str(PurePosixPath(mount)))


def _gates(name: str, cluster: Any, directory: FilePath) -> Iterator[Remark]:
    """See that each gate can hold, has something to look at, and is told apart from the others."""
    ids: dict[str, int] = {}
    for index, kind, gate in _valid_gates(cluster, directory):
        path: Path = ("clusters", name, "gates", index)
        if kind == "mounted" and not _get(cluster, "volumes"):
            yield path, "`mounted` has nothing to look at: this cluster has no volumes", "list them under `volumes`"
        if (gate.passes - 1) * gate.interval_s >= gate.deadline_s:
            what = f"{gate.passes} passes, {gate.interval_s:g} s apart, can't be had within {gate.deadline_s:g} s"
            yield path, what, "give it a longer `deadline`"
        elif gate.healthy_for_s >= gate.deadline_s:
            what = f"{gate.healthy_for_s:g} s without a break can't be had within {gate.deadline_s:g} s"
            yield path, what, "give it a longer `deadline`, or a shorter `healthy_for`"
        if ids.setdefault(gate.id, index) != index:
            yield path, f"a second gate `{gate.id}` in this cluster", "give one of them a `name`"


def _quorum(name: str, cluster: Any, directory: FilePath) -> Iterator[Remark]:
    """See that `max_unavailable` leaves a quorum of the servers that the service should have; one at a time is always allowed."""
    wish = _get(cluster, "max_unavailable")
    for _, _, gate in _valid_gates(cluster, directory):
        if not isinstance(gate, ServiceGate) or gate.expect is None or type(wish) is not int:
            continue
        spare = (gate.expect - 1) // 2
        if wish > max(1, spare):
            what = f"with {wish} of {gate.expect} servers away there is no quorum"
            yield ("clusters", name, "max_unavailable"), what, f"{gate.expect} servers can spare {spare}"


def _tests(name: str, cluster: Any, directory: FilePath) -> Iterator[Remark]:
    """See that tests of nodes are there, and that a gate has no settings of a connection that it doesn't use."""
    for index, _, gate in _valid_gates(cluster, directory):
        if not isinstance(gate, TestinfraGate):
            continue
        path: Path = ("clusters", name, "gates", index, "testinfra")
        if missing := missing_tests(gate.tests):
            yield (*path, "tests"), missing, "name a file of tests or a directory that holds some, relative to this file"
        given = _get(_get(cluster, "gates")[index], "testinfra")
        for key, way in _WAYS.items():
            if key in given and gate.connection != way:
                yield (*path, key), f"`{key}` is of `connection: {way}`, and this gate has {gate.connection}", ""


def _valid_gates(cluster: Any, directory: FilePath) -> Iterator[tuple[int, str, Gate]]:
    """Make those gates that have no mistake of their own."""
    gates = _get(cluster, "gates")
    for index, entry in enumerate(gates if isinstance(gates, list) else []):
        form = {entry: {}} if isinstance(entry, str) else entry
        kind = next(iter(form), "") if isinstance(form, dict) and len(form) == 1 else ""
        if kind not in KINDS:
            continue
        with suppress(ValidationError):
            yield index, kind, build_gate(kind, KINDS[kind].model_validate(form[kind]), directory)


def _twice(key: str, values: Iterator[tuple[Path, Any]], normal: Callable[[str], str]) -> Iterator[Remark]:
    """Remark on each value that stood at another place before; `normal` makes equal what means the same."""
    seen: dict[str, Path] = {}
    for path, value in values:
        if not isinstance(value, str):
            continue
        first = seen.setdefault(normal(value), path)
        if first != path:
            owner = first[-2]
            yield path, f"`{value}` is the {key} of `{owner}` already", ""


def _mapping(value: Any, key: str) -> dict[str, Any]:
    found = _get(value, key)
    return found if isinstance(found, dict) else {}


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
