"""URLs on their way from a file into batches: they wait in a temporary, so that memory stays small.

Even batches need the count first. And URLs that can be asked for together have to come together,
however far apart they stand in the user's file.
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
        requests: how many requests they take.
    """

    def __init__(self, folder: Path, *, combine: bool) -> None:
        """Get ready.

        Args:
            folder: that exists, for the temporary.
            combine: whether URLs that can be asked for together come together.
        """
        self._path = temporary_in(folder)
        self._grouping = Grouping() if combine else None
        self._groups = array("q")
        self._ends = array("q", [0])
        self.urls = 0

    @property
    def requests(self) -> int:
        """Requests that all of the URLs take."""
        return self.urls if self._grouping is None else self._grouping.requests

    def fill(self, urls: Iterable[str]) -> None:
        """Take in distinct canonical URLs.

        Raises:
            StoreError: the folder cannot be written.
        """
        with storing(self._path), self._path.open("x", encoding="ascii", newline="\n") as file:
            for url in urls:
                file.write(f"{url}\n")
                self.urls += 1
                if self._grouping is not None:
                    self._groups.append(self._grouping.add(url))
                    self._ends.append(self._ends[-1] + len(url) + 1)

    def lines(self) -> Generator[bytes]:
        """Yield all lines, in the order of the file or, if they are combined, of its groups.

        Raises:
            OSError: the temporary cannot be read.
        """
        with self._path.open("rb") as file:
            if self._grouping is None or not self.urls:
                yield from file
                return
            order = sorted(range(self.urls), key=self._groups.__getitem__)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for number in order:
                    yield content[self._ends[number] : self._ends[number + 1]]

    def close(self) -> None:
        """Remove the temporary."""
        remove(self._path)
