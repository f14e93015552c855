from datetime import date

import pytest

from tmdb_assets.errors import DownloadStoppedError
from tmdb_assets.sources.change_pages import Window, read_page
from tmdb_assets.urls import canonical


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"results": None, "total_pages": 1},
        {"results": [], "total_pages": "1"},
        {"results": [], "total_pages": -1},
        {"results": [], "total_pages": True},
    ],
)
def test_what_is_no_page_of_changes_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(DownloadStoppedError, match="http://x with something that is no list of ch"):
        read_page(document, "http://x")


def test_items_without_a_good_id_are_counted() -> None:
    odd: list[object] = [
        None,
        [],
        {},
        {"id": None},
        {"id": "5"},
        {"id": 0},
        {"id": True},
        {"id": 2**63},
    ]
    page = read_page({"results": [*odd, {"id": 5, "adult": True}], "total_pages": 1}, "http://x")

    assert (page.ids, page.adult, page.without_id) == ((5,), {5}, len(odd))


def test_the_urls_of_pages_are_canonical() -> None:
    url = Window("movie", date(2026, 8, 27)).url("https://api.themoviedb.org", 7)

    assert canonical(url, ["https://api.themoviedb.org"]).url == url
