"""URLs on their way from a file into batches: they wait in a temporary, so that memory stays small.

Even batches need the count first, and the sizes of what goes together. That has to come together,
however far apart it stands in the user's file.
"""

import mmap
from array import array
from collections.abc import Generator, Iterable
from pathlib import Path

from tmdb_assets.combine import Grouping
from tmdb_assets.files import remove, storing, temporary_in


class Spool:
    """Lines of URLs in one temporary file; used once, by one thread.

    Attributes:
        urls: how many there are.
        grouping: which of them can be asked for together; None if that is not wanted.
    """

    def __init__(self, folder: Path, *, combine: bool) -> None:
        """Get ready.

        Args:
            folder: that exists, for the temporary.
            combine: whether URLs that can be asked for together come together.
        """
        self._path = temporary_in(folder)
        self.grouping = Grouping() if combine else None
        self._groups = array("q")
        self._ends = array("q", [0])
        self.urls = 0

    def fill(self, urls: Iterable[str]) -> None:
        """Take in distinct canonical URLs.

        Raises:
            StoreError: the folder cannot be written.
        """
        with storing(self._path), self._path.open("x", encoding="ascii", newline="\n") as file:
            for url in urls:
                file.write(f"{url}\n")
                self.urls += 1
                if self.grouping is not None:
                    self._groups.append(self.grouping.add(url))
                    self._ends.append(self._ends[-1] + len(url) + 1)

    def lines(self) -> Generator[bytes]:
        """Yield all lines, in the order of the file or, if they are combined, of its groups.

        Raises:
            OSError: the temporary cannot be read.
        """
        with self._path.open("rb") as file:
            if self.grouping is None or not self.urls:
                yield from file
                return
            order = sorted(range(self.urls), key=self._groups.__getitem__)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for number in order:
                    yield content[self._ends[number] : self._ends[number + 1]]

    def close(self) -> None:
        """Remove the temporary."""
        remove(self._path)
