"""A folder that is watched, and lists that are dropped into it."""

import os
from pathlib import Path

ODD = os.fsdecode(b"fil\xffme.txt")
"""A name with a byte that is no UTF-8."""


def empty_folder(tmp_path: Path) -> Path:
    path = tmp_path / "url_lists"
    path.mkdir()
    return path


def dropped(folder: Path, name: str = "films.txt", text: str = "/movie/1\n") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def same_stamp(path: Path, like: os.stat_result) -> None:
    os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))
