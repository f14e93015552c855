import pickle
from collections.abc import Iterator

import pytest

from tmdb_assets import errors
from tmdb_assets.errors import TmdbAssetsError


def tree(root: type[TmdbAssetsError]) -> Iterator[type[TmdbAssetsError]]:
    yield root
    for branch in root.__subclasses__():
        yield from tree(branch)


ALL = [one for one in tree(TmdbAssetsError) if one.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL)
def test_every_failure_travels_between_processes_with_its_text(kind: type[TmdbAssetsError]) -> None:
    text = "batch 'films-0001' is gone: add its list again"

    travelled = pickle.loads(pickle.dumps(kind(text)))  # noqa: S301 - our own bytes

    assert type(travelled) is kind
    assert str(travelled) == text


@pytest.mark.parametrize("kind", ALL)
def test_every_failure_stands_in_the_drawing_of_the_tree(kind: type[TmdbAssetsError]) -> None:
    drawing = errors.__doc__

    assert drawing is not None
    assert kind.__name__ in drawing.split()
