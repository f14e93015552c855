from collections.abc import Callable
from pathlib import Path

import pytest

from tmdb_assets.errors import BatchError
from tmdb_assets.model import Settings
from tmdb_assets.sources.kinds import kind_named
from tmdb_assets.sources.known import Known, frozen_urls
from tmdb_assets.sources.shapes import Wish, shape_of

MakeSettings = Callable[..., Settings]
Freeze = Callable[..., None]


def test_all_lists_are_gone_through(make_settings: MakeSettings, freeze: Freeze) -> None:
    settings = make_settings()
    freeze(settings, "one", *(f"/movie/{number}" for number in range(1, 251)))
    freeze(settings, "two", "/movie/1", "/tv/5")

    urls = list(frozen_urls(settings.data_dir))

    assert len(urls) == 252
    assert urls[-1].endswith("/3/tv/5")


def test_without_a_data_folder_nothing_is_known(tmp_path: Path) -> None:
    assert list(frozen_urls(tmp_path / "nowhere")) == []


def test_only_urls_of_the_very_shape_are_had(make_settings: MakeSettings, freeze: Freeze) -> None:
    settings = make_settings()
    freeze(
        settings,
        "mixed",
        *("/movie/1", "/movie/2?append_to_response=credits", "/movie/3/credits", "/tv/4"),
        *("/movie/007", "/movie/5x", "/movie/12345678901234567890"),
    )
    shape = shape_of(kind_named("movie"), Wish(("credits",), separate=True), settings)
    known = Known(shape)
    known.read(settings.data_dir)

    def missing(number: int) -> list[str]:
        return [url.partition("/3/movie/")[2] for url in known.missing(number)]

    assert missing(1) == ["1/credits"]
    assert missing(2) == ["2", "2/credits"]
    assert missing(3) == ["3"]
    assert missing(4) == ["4", "4/credits"]
    assert missing(7) == ["7", "7/credits"]
    assert missing(7) == []


def test_a_damaged_list_is_named(make_settings: MakeSettings, freeze: Freeze) -> None:
    settings = make_settings()
    freeze(settings, "broken", "/movie/1")
    (settings.data_dir / "batches/broken/broken-0001.txt").write_text("x")

    with pytest.raises(BatchError, match="was altered"):
        list(frozen_urls(settings.data_dir))
