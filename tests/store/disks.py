"""File systems in memory that are really full or read-only, and paths that are too long."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(*options: str) -> Iterator[Path]:
    """Mount a small file system in memory; it is gone afterwards whatever happens."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system that is really full")
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", name]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("no program to mount a file system")
        if ended.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {ended.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def remount(root: Path, *options: str) -> None:
    command = ["mount", "-o", ",".join(["remount", *options]), str(root)]
    subprocess.run(command, check=True, capture_output=True)


def fill(root: Path) -> Path:
    """Use up all room and return the file that has it."""
    path = root / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
            while file.write(b"\0"):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return path


def deep(root: Path, characters: int) -> Path:
    """Return a new folder whose path has so many characters."""
    path = root
    while characters - len(str(path)) > 202:
        path /= "d" * 200
    path /= "d" * (characters - len(str(path)) - 1)
    path.mkdir(parents=True)
    return path
