"""How an image has to behave with a data volume (docs/first-boot.md), as scripts to look with and as judgements of what was seen.

The image is not taken at its word: the first mebibyte of the volume is read and compared, and a canary file on a mounted volume has to be
there, on the same filesystem, when another instance of the image gets the volume. In the lab's runtime without block devices a volume
is a directory beside `$IMMTF_ROOT`: there, and only there, it is read and written as one. No script of these touches a device but the one
whose serial is that of the trial's own volume.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field

from immtf.model.guest import GuestFacts
from immtf.model.verdict import Verdict
from immtf.plan.facts import BLANK, facts_script, parse_facts

CANARY = ".immtf-canary"
FOREIGN = "these bytes are no filesystem: immtf wrote them to see what an image does with them"
_DONE = "look-end"
_MIB = 1 << 20
_UNREAD = "the volume's bytes could not be read: it has no serial that can be seen (only machines on Nitro tell it)"
NOTHING = frozenset({hashlib.sha256(bytes(_MIB)).hexdigest(), hashlib.sha256(b"").hexdigest()})
"""The digests of a volume that nothing stands on: a mebibyte of zeros, or (as a directory) no file at all."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen inside an instance: the facts, the digest of the volume's first mebibyte, what lies at the mount point, the canary."""

    facts: GuestFacts = field(default_factory=GuestFacts)
    bytes: str = ""
    here: str = ""
    canary: str = ""


def ready_script() -> str:
    """Return the script that ends with 0 when an instance has booted; with systemd that is when its basic target is reached.

    Until then it names the units that are at work: what all the others wait for.
    """
    at_work = "systemctl list-jobs --no-legend | awk '$4 == \"running\" { print $2 }' | head -n 5"
    asked = f"if ! systemctl is-active --quiet basic.target; then {at_work}; exit 3; fi"
    return f'if [ -z "${{IMMTF_ROOT:-}}" ] && [ -d /run/systemd/system ]; then {asked}; fi\nexit 0\n'


def look_script(mount: str, volume_id: str) -> str:
    """Return the script that looks at a mount point, and at a volume where an id is given."""
    here = f'"${{IMMTF_ROOT:-}}"{shlex.quote(mount)}'
    lines = [*_device(volume_id), *_BYTES] if volume_id else []
    lines += [
        f'printf "here\\t%s\\n" "$(ls -A {here} 2>/dev/null | head -n 5 | tr "\\n" " ")"',
        f'printf "canary\\t%s\\n" "$(cat {here}/{CANARY} 2>/dev/null)"',
        f"echo {_DONE}",
        "",
    ]
    return facts_script([mount]) + "\n".join(lines)


def foreign_script(volume_id: str) -> str:
    """Return the script that puts bytes that are no filesystem on a trial's blank volume."""
    text = shlex.quote(FOREIGN)
    return "\n".join(
        [
            "set -e",
            *_device(volume_id),
            'if [ -n "$v" ]; then',
            f'  test ! -e "$v"/superblock.json; mkdir -p "$v"/fs; printf %s {text} >"$v"/fs/foreign',
            "else",
            f'  test -b "$d"; printf %s {text} | dd of="$d" bs=4096 conv=notrunc,fsync 2>/dev/null',
            "fi",
            "",
        ]
    )


def canary_script(mount: str, token: str) -> str:
    """Return the script that leaves a canary on what is mounted; it fails where nothing is."""
    target = f'"${{IMMTF_ROOT:-}}"{shlex.quote(f"{mount}/{CANARY}")}'
    return f"set -e\nfindmnt --noheadings --mountpoint {shlex.quote(mount)} >/dev/null\nprintf %s {shlex.quote(token)} >{target}\nsync\n"


def _device(volume_id: str) -> list[str]:
    """Return the lines that find a volume by its serial: as the device `d`, or in the lab as the directory `v`."""
    serial = shlex.quote(volume_id.replace("-", ""))
    return [
        f"s={serial}; d=; v=",
        'if [ -n "${IMMTF_ROOT:-}" ]; then',
        '  for f in "$IMMTF_ROOT"/../dev/*/volume.json; do',
        '    if tr -d - <"$f" 2>/dev/null | grep -q "$s"; then v="${f%/volume.json}"; fi',
        "  done",
        "else",
        '  d="$(readlink -f "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$s" 2>/dev/null)"',
        '  if [ ! -b "$d" ]; then',
        '    d="$(lsblk --noheadings --raw --nodeps --output SERIAL,PATH 2>/dev/null | sed -n "s/^$s //p" | head -n 1)"',
        "  fi",
        "fi",
    ]


_BYTES = [
    'if [ -n "$v" ]; then',
    '  b="$(cd "$v" && find fs superblock.json -type f -exec sha256sum {} + 2>/dev/null | sort)"',
    '  printf "bytes\\t%s\\n" "$(printf %s "$b" | sha256sum | cut -c1-64)"',
    'elif [ -b "$d" ]; then',
    f'  printf "bytes\\t%s\\n" "$(head -c {_MIB} "$d" | sha256sum | cut -c1-64)"',
    "fi",
]


def parse_look(text: str, mount: str) -> Look:
    """Read what a look's script said; one that is torn has a problem and nothing else."""
    facts = parse_facts(text, [mount])
    lines = text.splitlines()
    if _DONE not in lines and not facts.problem:
        facts = GuestFacts(problem="the instance's answer is not whole")
    if facts.problem:
        return Look(facts)
    found = dict(line.partition("\t")[::2] for line in lines)
    return Look(facts, found.get("bytes", ""), found.get("here", "").strip(), found.get("canary", ""))


def judge_absent(look: Look, mount: str) -> Verdict:
    """Judge an instance without its volume: nothing is mounted, and nothing came up on the root disk in its place."""
    if look.facts.problem:
        return Verdict(held=False, reason=look.facts.problem, unknown=True)
    if _mounted(look, mount):
        return _bad(f"something is mounted at {mount}, and no volume is attached")
    if look.here:
        return _bad(f"without its volume something wrote to {mount} on the root disk: {look.here}")
    return Verdict(held=True, reason=f"nothing is mounted at {mount} and nothing lies there")


def judge_blank(look: Look, mount: str, volume_id: str) -> Verdict:
    """Judge a blank volume without a mark: the image says `blank`, and there still is nothing on it."""
    word = look.facts.status(volume_id)
    if look.facts.problem:
        return Verdict(held=False, reason=look.facts.problem, unknown=True)
    if _mounted(look, mount):
        return _bad(f"a blank volume without a first-boot mark was mounted at {mount}: the image formatted it")
    if look.bytes and look.bytes not in NOTHING:
        return _bad("a blank volume without a first-boot mark was written to: the image formatted it")
    if not look.bytes:
        return Verdict(held=False, reason=_UNREAD, unknown=True)
    if word != BLANK:
        return Verdict(held=False, reason=f"the image says {f'`{word}`' if word else 'nothing'} of a blank volume, not `{BLANK}`")
    return Verdict(held=True, reason=f"it says `{BLANK}`, and the volume's first mebibyte is untouched")


def judge_foreign(look: Look, mount: str, volume_id: str, written: str) -> Verdict:
    """Judge a volume with bytes that are no filesystem: not mounted, not called blank, not changed. `written` is their digest."""
    word = look.facts.status(volume_id)
    if look.facts.problem or not look.bytes:
        return Verdict(held=False, reason=look.facts.problem or _UNREAD, unknown=True)
    if _mounted(look, mount):
        return _bad(f"a volume with foreign bytes was mounted at {mount}: the image formatted it")
    if look.bytes != written:
        return _bad("the image wrote over a volume with foreign bytes")
    if word == BLANK:
        return _bad(f"the image says `{BLANK}` of a volume that holds foreign bytes: a first-boot mark would let it format them")
    return Verdict(held=True, reason=f"it is left alone{f' and called `{word}`' if word else ''}")


def judge_mounted(look: Look, mount: str, volume_id: str) -> Verdict:
    """Judge that this very volume is mounted at its place."""
    if look.facts.problem:
        return Verdict(held=False, reason=look.facts.problem, unknown=True)
    found, serial = look.facts.mount(mount), volume_id.replace("-", "")
    if found is None or not found.mounted:
        word = look.facts.status(volume_id)
        said = f"; the image says `{word}`" if word else ", and the image says nothing, as if it were: is this the right mount point?"
        return Verdict(held=False, reason=f"nothing is mounted at {mount}{said}", unknown=not word)
    if found.serial and found.serial != serial:
        return _bad(f"at {mount} is {found.serial}, not {serial}")
    return Verdict(held=True, reason=f"{volume_id} is mounted at {mount}")


def judge_returned(look: Look, mount: str, volume_id: str, *, filesystem: str, token: str) -> Verdict:
    """Judge a volume with data that came to another instance: mounted, with its own filesystem and the canary on it."""
    verdict = judge_mounted(look, mount, volume_id)
    found = look.facts.mount(mount)
    if not verdict.held or found is None:
        return verdict
    if found.filesystem != filesystem:
        return _bad(f"the image formatted a volume that held data: its filesystem was {filesystem} and is {found.filesystem or 'unknown'}")
    if look.canary != token:
        return _bad(f"the image emptied a volume that held data: the canary at {mount}/{CANARY} is gone")
    return Verdict(held=True, reason="the same filesystem, with the canary on it")


def _mounted(look: Look, mount: str) -> bool:
    found = look.facts.mount(mount)
    return found is not None and found.mounted


def _bad(reason: str) -> Verdict:
    return Verdict(held=False, reason=reason, final=True)
