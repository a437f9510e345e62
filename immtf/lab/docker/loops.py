"""Volumes as files on loop devices; this module's source is what runs in the lab's store, a container that has the files.

It knows the standard library only, and is handed to the store's Python as text. An answer is one line of JSON. Whether a volume is in use
the kernel tells: a device that any namespace on the machine has mounted can't be opened exclusively. That also holds for a filesystem
that was unmounted lazily and that a program still uses, of which no mount table speaks.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SET_FD, CLEAR_FD, GET_FREE = 0x4C00, 0x4C01, 0x4C82
MAJOR = 7
CONTROL = Path("/dev/loop-control")
CONTROL_NUMBER = (10, 237)
TRIES = 50
GONE_LIMIT_S = 5.0
PAUSE_S = 0.02
COPY_LIMIT_S = 240


def make(file: str, size: str) -> bool:
    """Make a blank volume of `size` bytes, if it isn't there; it takes room as it is written to."""
    with suppress(FileExistsError), Path(file).open("xb") as made:
        made.truncate(int(size))
    return True


def copy(source: str, target: str) -> bool:
    """Copy a volume's content; `target` is there whole or not at all."""
    draft = f"{target}.new"
    subprocess.run(["cp", "--sparse=always", source, draft], check=True, timeout=COPY_LIMIT_S)
    Path(draft).replace(target)
    return True


def remove(file: str) -> bool:
    """Remove a file; absent is good."""
    Path(file).unlink(missing_ok=True)
    return True


def attach(file: str) -> int:
    """Give the file a loop device; its number."""
    with opened(file, os.O_RDWR) as backing:
        for _ in range(TRIES):
            number = _free_number()
            try:
                with opened(node(number), os.O_RDWR) as loop:
                    fcntl.ioctl(loop, SET_FD, backing)
            except OSError as error:
                if error.errno != errno.EBUSY:  # somebody else was faster
                    raise
            else:
                return number
    raise OSError(errno.EBUSY, "no loop device stays free for long enough")


def release(number: str, how: str = "unused") -> bool:
    """Take the device from its file; false if it is in use, unless `how` is `forced`: then it goes when its last user does."""
    flags = os.O_RDWR | (0 if how == "forced" else os.O_EXCL)
    try:
        with opened(node(int(number)), flags) as loop:
            fcntl.ioctl(loop, CLEAR_FD)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        if error.errno != errno.ENXIO:
            raise
    return how == "forced" or _gone(int(number))


def busy(number: str) -> bool:
    """Whether anybody on this machine has the device mounted."""
    try:
        with opened(node(int(number)), os.O_RDONLY | os.O_EXCL):
            return False
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return True


def release_all(shelf: str) -> int:
    """Take every device away whose file lies below `shelf`; how many there were."""
    found = [place for place in Path("/sys/block").glob("loop*/loop/backing_file") if _text(place).startswith(f"{shelf}/")]
    for place in found:
        release(place.parts[-3].removeprefix("loop"), "forced")
    return len(found)


@contextmanager
def opened(path: str | Path, flags: int) -> Iterator[int]:
    """Open a file or device."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def node(number: int) -> Path:
    """Give the device's node, made if it isn't there: no udev makes one in a container."""
    place = Path(f"/dev/loop{number}")
    with suppress(FileExistsError):
        os.mknod(place, stat.S_IFBLK | 0o600, os.makedev(MAJOR, number))
    return place


def _free_number() -> int:
    with suppress(FileExistsError):
        os.mknod(CONTROL, stat.S_IFCHR | 0o600, os.makedev(*CONTROL_NUMBER))
    with opened(CONTROL, os.O_RDWR) as control:
        return fcntl.ioctl(control, GET_FREE)


def _gone(number: int) -> bool:
    """Wait for the device to let its file go: whoever looked at it just now may have it open still."""
    place = Path(f"/sys/block/loop{number}/loop/backing_file")
    deadline = time.monotonic() + GONE_LIMIT_S
    while place.exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE_S)
    return True


def _text(place: Path) -> str:
    try:
        return place.read_text()
    except OSError:
        return ""


ACTS: dict[str, Callable[..., bool | int]] = {
    "make": make,
    "copy": copy,
    "remove": remove,
    "attach": attach,
    "release": release,
    "busy": busy,
    "release_all": release_all,
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
