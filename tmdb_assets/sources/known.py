"""What the frozen lists of a data folder have already, one URL after the other."""

import re
from collections.abc import Iterator
from pathlib import Path

from tmdb_assets.batches import batch_file, list_names, read_list
from tmdb_assets.frozen import read_urls
from tmdb_assets.sources.ids import IdSet
from tmdb_assets.sources.shapes import Shape


def frozen_urls(data_dir: Path) -> Iterator[str]:
    """Yield the URLs of all lists; one that several have comes several times.

    Raises:
        BatchError: a list is damaged.
        StoreError: the data folder cannot be read.
    """
    for name in list_names(data_dir):
        for batch in read_list(data_dir, name).batches:
            yield from read_urls(batch_file(data_dir, batch.name).parent, batch)


class Known:
    """The URLs of one shape that are had; memory is a bit per id and end."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._ids = {end: IdSet() for end in shape.ends}

    def read(self, data_dir: Path) -> None:
        """Take in what all lists have.

        Raises:
            BatchError: a list is damaged.
            StoreError: the data folder cannot be read.
        """
        pattern = re.compile(re.escape(self._shape.before) + r"([1-9][0-9]{0,18})(.*)")
        for url in frozen_urls(data_dir):
            match = pattern.fullmatch(url)
            if match is not None and (ids := self._ids.get(match[2])) is not None:
                ids.add(int(match[1]))

    def missing(self, number: int) -> Iterator[str]:
        """Yield the URLs of an id that are not had, and take them for had from then on."""
        for end, ids in self._ids.items():
            if ids.add(number):
                yield f"{self._shape.before}{number}{end}"
