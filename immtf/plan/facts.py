"""What is asked inside an instance, as a POSIX shell script, and how its answer is read.

One line a fact, `key<TAB>mount point<TAB>value`, so that nothing depends on a JSON library in the image. `findmnt --mountpoint`
answers only for a real mount point: a service that came up on the root disk has none. In the lab's runtime without a file
system of its own the guest's paths lie under `$IMMTF_ROOT`; on a real instance it is empty.

What an image does not mount it says in a word, in `/run/immtf/volume-SERIAL.status`: `blank`, or `recovering` while it replays a
journal or checks the filesystem. It formats a blank volume only when immtf has put down `/run/immtf/first-boot/SERIAL`, which names
that very volume. Nothing that immtf itself runs here can format anything.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from immtf.model.guest import GuestFacts, Mark, Mount

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK_FILE = ".immtf-volume"
RUN_DIR = "/run/immtf"
BLANK = "blank"
RECOVERING = frozenset({"recovering", "fsck"})
_DONE = "facts-end"


def facts_script(mounts: Iterable[str]) -> str:
    """Return the script that tells, for each mount point, what is mounted there and its mark, and what the image says of other volumes."""
    lines: list[str] = []
    for path in mounts:
        quoted = shlex.quote(path)
        lines += [
            f"p={quoted}",
            'm="$(findmnt --noheadings --raw --output TARGET,SOURCE,FSTYPE,UUID --mountpoint "$p" 2>/dev/null)"',
            'printf "mount\\t%s\\t%s\\n" "$p" "$m"',
            "set -- $m",
            'if [ -n "${2:-}" ]; then',
            '  printf "serial\\t%s\\t%s\\n" "$p" "$(lsblk --noheadings --raw --nodeps --output SERIAL "$2" 2>/dev/null)"',
            f'  printf "mark\\t%s\\t%s\\n" "$p" "$(cat "${{IMMTF_ROOT:-}}$p/{MARK_FILE}" 2>/dev/null)"',
            "fi",
        ]
    lines += [
        f'for f in "${{IMMTF_ROOT:-}}{RUN_DIR}"/volume-*.status; do',
        '  if [ -f "$f" ]; then n="${f##*/volume-}"; printf "status\\t%s\\t%s\\n" "${n%.status}" "$(head -n 1 "$f")"; fi',
        "done",
    ]
    return "\n".join([*lines, f"echo {_DONE}", ""])


def mark_script(path: str, mark: Mark) -> str:
    """Return the script that writes a mark at a mount point: to a new file, synced, then renamed; never over another mark."""
    target = f'"${{IMMTF_ROOT:-}}"{shlex.quote(f"{path}/{MARK_FILE}")}'
    text = shlex.quote(json.dumps(asdict(mark), sort_keys=True))
    return "\n".join(
        [
            "set -e",
            f"findmnt --noheadings --mountpoint {shlex.quote(path)} >/dev/null",
            f"test ! -e {target}",
            f"printf '%s\\n' {text} >{target}.new",
            "sync",
            f"mv {target}.new {target}",
            "",
        ]
    )


def remark_script(path: str, old: Mark, new: Mark) -> str:
    """Return the script that puts a mark in the place of another, which has to be there as it was read; the other stays beside it."""
    target = f'"${{IMMTF_ROOT:-}}"{shlex.quote(f"{path}/{MARK_FILE}")}'
    before, after = (shlex.quote(json.dumps(asdict(mark), sort_keys=True)) for mark in (old, new))
    return "\n".join(
        [
            "set -e",
            f"findmnt --noheadings --mountpoint {shlex.quote(path)} >/dev/null",
            f'test "$(cat {target})" = {before}',
            f"printf '%s\\n' {after} >{target}.new",
            f"cp {target} {target}.restored",
            "sync",
            f"mv {target}.new {target}",
            "",
        ]
    )


def first_boot_script(path: str, volume_id: str) -> str:
    """Return the script that lets an instance make a filesystem on this very volume, for the place `path`.

    It fails where something is mounted there, or the image doesn't call the volume blank. The mark is written whole or not at all. It
    lies in `/run`, so it doesn't outlive the boot that it was given in; the image takes it away when it has made the filesystem.
    """
    serial = shlex.quote(volume_id.replace("-", ""))
    return "\n".join(
        [
            "set -e",
            f'r="${{IMMTF_ROOT:-}}{RUN_DIR}"',
            f"if findmnt --noheadings --mountpoint {shlex.quote(path)} >/dev/null; then exit 3; fi",
            f'test "$(head -n 1 "$r"/volume-{serial}.status)" = {BLANK}',
            'mkdir -p "$r/first-boot"',
            f'printf "%s\\n" {shlex.quote(volume_id)} >"$r"/first-boot/.{serial}',
            f'mv "$r"/first-boot/.{serial} "$r"/first-boot/{serial}',
            "",
        ]
    )


def parse_facts(text: str, mounts: Iterable[str]) -> GuestFacts:
    """Read the script's output. A torn or foreign answer becomes a problem, never a partial truth."""
    lines = text.splitlines()
    if _DONE not in lines:
        return GuestFacts(problem="the instance's answer is not whole")
    found: dict[tuple[str, str], str] = {}
    for line in lines:
        key, _, rest = line.partition("\t")
        path, _, value = rest.partition("\t")
        found[(key, path)] = value.strip()
    statuses = {serial: word for (key, serial), word in found.items() if key == "status" and serial}
    return GuestFacts(mounts=tuple(_mount(found, path) for path in mounts), statuses=statuses)


def _mount(found: dict[tuple[str, str], str], path: str) -> Mount:
    fields = found.get(("mount", path), "").split(" ")
    if len(fields) < 2 or fields[0] != path:  # noqa: PLR2004 - TARGET and SOURCE are the least
        return Mount(path=path, mounted=False)
    source, kind, filesystem = [*fields[1:], "", ""][:3]
    mark, problem = parse_mark(found.get(("mark", path), ""))
    serial = found.get(("serial", path), "")
    return Mount(path, mounted=True, source=source, kind=kind, filesystem=filesystem, serial=serial, mark=mark, mark_problem=problem)


def parse_mark(text: str) -> tuple[Mark | None, str]:
    """Read a mark's file; ("" is no mark). Returns the mark or None, and what is wrong with the file."""
    if not text:
        return None, ""
    try:
        values = json.loads(text)
        return Mark(**{key: str(values[key]) for key in ("block", "cluster", "node", "volume", "filesystem")}), ""
    except (ValueError, KeyError, TypeError) as error:
        return None, f"the mark can't be read ({error})"
