"""Volumes as directories; this module's source is what runs in the lab's store, a container that has them all.

It knows the standard library only, and is handed to the store's Python as text. An answer is one line of JSON. A volume is a directory with
a sparse file `disk`, and whatever a guest makes of it beside that. Where it is tells who has it: in `volumes`, or in the directory of an
instance in `guests`, which is all that this instance sees. So it can't be in two of them, and nothing that is kept can disagree.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FREE, GIVEN, DISK = "volumes", "guests", "disk"
COPY_LIMIT_S = 240


def open_shelf(shelf: str, instance: str) -> bool:
    """Make the directory of an instance, if it isn't there."""
    (Path(shelf) / GIVEN / instance).mkdir(parents=True, exist_ok=True)
    return True


def make(shelf: str, name: str, size: str) -> bool:
    """Make a blank volume whose disk has `size` bytes, if it isn't there; it takes room as it is written to."""
    if _found(shelf, name) is None:
        draft = _draft(shelf, name)
        draft.mkdir(parents=True)
        with (draft / DISK).open("xb") as made:
            made.truncate(int(size))
        draft.rename(Path(shelf) / FREE / name)
    return True


def copy(shelf: str, source: str, target: str) -> bool:
    """Copy a volume with all that is on it, wherever it is; `target` is there whole or not at all, and nobody's."""
    draft = _draft(shelf, target)
    draft.parent.mkdir(parents=True, exist_ok=True)
    argv = ["cp", "--archive", "--sparse=always", str(_known(shelf, source)), str(draft)]
    subprocess.run(argv, check=True, timeout=COPY_LIMIT_S)
    draft.rename(Path(shelf) / FREE / target)
    return True


def remove(shelf: str, name: str) -> bool:
    """Remove a volume that no instance has; absent is good."""
    with suppress(FileNotFoundError):
        shutil.rmtree((Path(shelf) / FREE / name).rename(_draft(shelf, name)))
    return True


def give(shelf: str, name: str, instance: str) -> bool:
    """Move a volume to an instance; there already: done. Another one has it: an error."""
    place, target = _known(shelf, name), Path(shelf) / GIVEN / instance / name
    if place != target:
        if place.parent != Path(shelf) / FREE:
            raise FileExistsError(f"{name} is with {place.parent.name}")
        place.rename(target)
    return True


def take(shelf: str, name: str) -> bool:
    """Move a volume away from whoever has it."""
    place, target = _known(shelf, name), Path(shelf) / FREE / name
    if place != target:
        place.rename(target)
    return True


def carry_off(shelf: str, name: str) -> bool:
    """Take a volume away from an instance in which it may be in use: it goes on as a copy, and what is written late is lost."""
    place = _known(shelf, name)
    if place.parent != Path(shelf) / FREE:
        copy(shelf, name, name)
        shutil.rmtree(place)
    return True


def _found(shelf: str, name: str) -> Path | None:
    free = Path(shelf) / FREE / name
    return free if free.is_dir() else next(Path(shelf).glob(f"{GIVEN}/*/{name}"), None)


def _known(shelf: str, name: str) -> Path:
    place = _found(shelf, name)
    if place is None:
        raise FileNotFoundError(f"there is no {name}")
    return place


def _draft(shelf: str, name: str) -> Path:
    """Give a place beside the volumes that nothing has; what a broken attempt left there goes."""
    draft = Path(shelf) / FREE / f".{name}"
    with suppress(FileNotFoundError):
        shutil.rmtree(draft)
    return draft


ACTS: dict[str, Callable[..., bool]] = {
    "open_shelf": open_shelf,
    "make": make,
    "copy": copy,
    "remove": remove,
    "give": give,
    "take": take,
    "carry_off": carry_off,
}


def main(name: str, *words: str) -> int:
    """Do one act and print what it gives; an error is told on stderr."""
    try:
        print(json.dumps(ACTS[name](*words)))  # noqa: T201 - the answer
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
