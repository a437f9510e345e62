"""From the validated file to the `Block` that all other rooms know: paths made absolute, times made seconds."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from immtf.model.block import (
    Block,
    Cluster,
    CommandGate,
    ConsulGate,
    EtcdGate,
    Gate,
    HttpGate,
    ImageSpec,
    LabSpec,
    MountedGate,
    RestoreSpec,
    TcpGate,
    TestinfraGate,
    VolumeSpec,
)
from immtf.plan.config.fields import seconds
from immtf.plan.config.gates import KINDS, TIMES, Settings
from immtf.plan.config.requires import constraint_of, needs_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.plan.config.gates import GateEntry
    from immtf.plan.config.schema import BlockFile, ClusterEntry, Lab, Restore, Volume

_GATES: dict[str, type[Gate]] = {
    "mounted": MountedGate,
    "consul": ConsulGate,
    "etcd": EtcdGate,
    "http": HttpGate,
    "tcp": TcpGate,
    "command": CommandGate,
    "testinfra": TestinfraGate,
}
_PATHS = ("tests",)  # the settings that are paths, relative to the block's file


def build_block(content: BlockFile, file: Path, lines: Mapping[str, int] | None = None) -> Block:
    """Make the block of what stands in `file`, an absolute path; `lines` are those of what it requires."""
    directory = file.parent
    return Block(
        name=content.block,
        version=content.version,
        directory=directory,
        file=file,
        terraform=(directory / content.terraform).resolve(),
        requires={name: constraint_of(entry) for name, entry in content.requires.items()},
        uses={name: needs for name, entry in content.requires.items() if (needs := needs_of(entry))},
        image=ImageSpec(**content.image.model_dump()) if content.image else None,
        clusters={name: _cluster(name, entry, directory) for name, entry in content.clusters.items()},
        lab=_lab(content.lab, directory) if content.lab else None,
        on_failure=content.on_failure,
        restore=_restore(content.restore) if content.restore else None,
        lines=lines or {},
    )


def _lab(entry: Lab, directory: Path) -> LabSpec:
    return LabSpec((directory / entry.images).resolve() if entry.images else None, entry.network or "")


def _restore(entry: Restore) -> RestoreSpec:
    return RestoreSpec(entry.run or "", entry.snapshot or "", entry.variable, seconds(entry.timeout))


def _cluster(name: str, entry: ClusterEntry, directory: Path) -> Cluster:
    return Cluster(
        name=name,
        nodes=entry.nodes,
        gates=tuple(_gate(gate, directory) for gate in entry.gates),
        strategy=entry.strategy,
        max_unavailable=entry.max_unavailable,
        spread=entry.spread,
        volumes={key: _volume(key, volume) for key, volume in entry.volumes.items()},
    )


def _volume(name: str, entry: Volume) -> VolumeSpec:
    return VolumeSpec(name, str(PurePosixPath(entry.mount)), entry.snapshot.keep if entry.snapshot else 0)


def build_gate(kind: str, settings: Settings, directory: Path) -> Gate:
    """Make the gate of its kind and settings: each bears the name of its field, times with `_s`; paths are relative to `directory`."""
    values = settings.model_dump(exclude_none=True)
    fields: dict[str, Any] = {key: value for key, value in values.items() if key not in TIMES}
    fields |= {f"{key}_s": seconds(values[key]) for key in TIMES}
    fields |= {key: directory / values[key] for key in _PATHS if key in values}
    return _GATES[kind](**fields)


def _gate(entry: GateEntry, directory: Path) -> Gate:
    if isinstance(entry, str):
        return build_gate(entry, KINDS[entry](), directory)
    kind = next(iter(type(entry).model_fields))
    return build_gate(kind, getattr(entry, kind), directory)
