"""File systems of their own for the tests: small ones, ones in an image, ones that break. Only root may mount."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.processes import run, until


def _must(*command: str | Path) -> None:
    said = run(command)
    assert said.code == 0, f"`{' '.join(map(str, command))}` is part of this proof and needs root: {said.err}{said.out}"


@contextmanager
def tmpfs(place: Path, *, size: str) -> Iterator[Path]:
    """A file system in memory, which is full in a moment."""
    place.mkdir()
    _must("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
    try:
        yield place
    finally:
        _must("umount", "--lazy", place)


def new_image(image: Path, *, megabytes: int) -> Path:
    """A file with an empty ext4 in it."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _must("mkfs.ext4", "-q", "-F", image)
    return image


@contextmanager
def mounted(image: Path, place: Path, *, options: str = "") -> Iterator[Path]:
    """The file system in an image, as if it lay on a disk of its own."""
    place.mkdir(exist_ok=True)
    _must("mount", "-o", ",".join(filter(None, ("loop", options))), image, place)
    known = _in_kernel(place)
    try:
        yield place
    finally:
        _must("umount", place)
        # A process that was given a view of the mounts of its own meanwhile keeps it, and would keep its state too.
        until(lambda: not known.exists(), f"{place} is let go by everybody")


def _in_kernel(place: Path) -> Path:
    """What the kernel tells of an ext4 that is mounted."""
    (device,) = [line.split()[0] for line in Path("/proc/self/mounts").read_text().splitlines() if f" {place} " in line]
    return Path("/sys/fs/ext4", Path(device).name)


def break_it(place: Path) -> None:
    """What the kernel does to an ext4 that it cannot trust any more: from now on nothing can be written."""
    (_in_kernel(place) / "trigger_fs_error").write_text("proof under fire", encoding="ascii")


def repair(image: Path) -> None:
    """What an administrator does about it, once it is unmounted."""
    said = run(["e2fsck", "-f", "-p", image])
    assert said.code in (0, 1), said


def fill(disk: Path) -> Path:
    """Take what is left of it, to the last byte; the file that takes it."""
    ballast = disk / "ballast"
    for size in (65536, 4096, 1):
        try:
            with ballast.open("ab", buffering=0) as file:
                while file.write(b"\0" * size):
                    pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error  # noqa: PT017 - it is how this loop ends
    return ballast
