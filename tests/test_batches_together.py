"""What goes together lies together in the batches of a list that combines, and in no other."""

import json
from pathlib import Path

import pytest

from tests.movie_lists import TMDB, record, small_batches, written
from tmdb_assets.batches import add, load, plan, read_list
from tmdb_assets.combine import requests_for
from tmdb_assets.errors import UrlListError
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added

settings = pytest.fixture(small_batches)

RESOURCES = ("", "/credits", "/images", "/keywords")


def scattered(folder: Path, *numbers: int, resources: tuple[str, ...] = RESOURCES) -> Path:
    """Write a list in which what goes together stands as far apart as possible."""
    path = folder / "movies.txt"
    path.write_text("".join(f"/movie/{number}{name}\n" for name in resources for number in numbers))
    return path


def urls_of(settings: Settings, added: Added) -> list[list[str]]:
    """Return the paths of each batch."""
    return [
        [one.url.removeprefix(f"{TMDB}/3") for one in load(settings.data_dir, batch)]
        for batch in added.all_batches
    ]


def test_urls_that_go_together_come_together_however_far_apart_they_stand(
    tmp_path: Path, settings: Settings
) -> None:
    path = scattered(tmp_path, *range(90))

    added = add(path, settings, combine=True)

    batches = urls_of(settings, added)
    assert [url for batch in batches for url in batch] == [
        f"/movie/{number}{name}" for number in range(90) for name in RESOURCES
    ]
    assert added.plan.batch_sizes == tuple(map(len, batches)) == (88, 92, 88, 92)
    assert (added.plan.new, added.plan.requests, added.plan.combine) == (360, 90, True)
    assert json.loads(record(settings).read_text())["combine"] is True


def test_without_being_told_so_the_order_of_the_list_stays(
    tmp_path: Path, settings: Settings
) -> None:
    added = add(scattered(tmp_path, *range(30)), settings)

    assert [url for batch in urls_of(settings, added) for url in batch] == [
        f"/movie/{number}{name}" for name in RESOURCES for number in range(30)
    ]
    assert (added.plan.new, added.plan.requests, added.plan.combine) == (120, 120, False)


@pytest.mark.parametrize("combine", [True, False])
def test_a_plan_promises_the_requests_that_adding_then_finds(
    tmp_path: Path, settings: Settings, *, combine: bool
) -> None:
    path = scattered(tmp_path, *range(70))

    planned = plan(path, settings, combine=combine)
    is_untouched = not settings.data_dir.exists()
    added = add(path, settings, combine=combine)

    assert is_untouched
    assert planned == added.plan
    assert planned.requests == (70 if combine else 280)


def test_a_list_that_combines_does_so_for_good(tmp_path: Path, settings: Settings) -> None:
    first = add(scattered(tmp_path, *range(10)), settings, combine=True)

    again = add(scattered(tmp_path, *range(10)), settings)
    grown = add(scattered(tmp_path, *range(5, 20)), settings)

    assert again.plan.combine
    assert again.new_batches == ()
    assert (grown.plan.new, grown.plan.requests, grown.plan.combine) == (40, 10, True)
    assert urls_of(settings, grown)[: len(first.all_batches)] == urls_of(settings, first)
    assert urls_of(settings, grown)[-1] == [
        f"/movie/{number}{name}" for number in range(10, 20) for name in RESOURCES
    ]


def test_combining_can_be_turned_on_later_and_changes_nothing_that_is_frozen(
    tmp_path: Path, settings: Settings
) -> None:
    path = scattered(tmp_path, *range(10))
    before = add(path, settings)
    old = json.loads(record(settings).read_text())

    planned = plan(path, settings, combine=True)
    not_yet = read_list(settings.data_dir, "movies").combine
    after = add(path, settings, combine=True)

    assert (planned.combine, planned.new, planned.requests) == (True, 0, 0)
    assert not not_yet
    assert read_list(settings.data_dir, "movies").combine
    assert urls_of(settings, after) == urls_of(settings, before)
    assert json.loads(record(settings).read_text()) == {**old, "combine": True}


def test_combining_a_list_without_a_good_line_makes_no_list(
    tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "movies.txt"
    path.write_text("# nothing yet\n")

    with pytest.raises(UrlListError, match="holds no URL"):
        add(path, settings, combine=True)

    assert not record(settings).parent.exists()


@pytest.mark.parametrize(
    ("films", "sizes"), [(70, [69, 69, 72]), (300, [90] * 10), (33, [99]), (34, [51, 51])]
)
def test_no_cut_parts_what_is_asked_for_together(
    tmp_path: Path, settings: Settings, films: int, sizes: list[int]
) -> None:
    path = scattered(tmp_path, *range(films), resources=RESOURCES[:3])

    planned = plan(path, settings, combine=True)
    added = add(path, settings, combine=True)

    requests = [
        len(requests_for(load(settings.data_dir, batch), {}, combined=True))
        for batch in added.all_batches
    ]
    assert planned == added.plan
    assert [*planned.batch_sizes] == [*map(len, urls_of(settings, added))] == sizes
    assert requests == [size // 3 for size in sizes]
    assert planned.requests == films


def test_a_list_that_grows_parts_nothing_of_what_is_new(tmp_path: Path, settings: Settings) -> None:
    add(scattered(tmp_path, *range(10), resources=RESOURCES[:1]), settings, combine=True)

    grown = add(scattered(tmp_path, *range(70)), settings)

    requests = [
        len(requests_for(load(settings.data_dir, batch), {}, combined=True))
        for batch in grown.new_batches
    ]
    assert sum(requests) == grown.plan.requests == 70
    assert sum(grown.plan.batch_sizes) == 10 * 3 + 60 * 4


def test_a_list_from_before_combining_is_read(tmp_path: Path, settings: Settings) -> None:
    add(written(tmp_path, 1, 2), settings)
    old = json.loads(record(settings).read_text())
    del old["combine"]
    record(settings).write_text(json.dumps({**old, "format": 1}))

    assert read_list(settings.data_dir, "movies").combine is False
    assert add(written(tmp_path, 1, 2), settings).new_batches == ()
    assert add(written(tmp_path, 1, 2, 3), settings).new_batches == ("movies-0002",)


def test_what_a_killed_add_leaves_of_a_list_that_combines_counts_for_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    path = scattered(tmp_path, *range(60))
    add(scattered(tmp_path, *range(20)), settings, combine=True)
    old = record(settings).read_bytes()
    add(scattered(tmp_path, *range(60)), settings)
    record(settings).write_bytes(old)
    (record(settings).parent / ".tmp-1-dead").write_bytes(b"https://api")

    frozen = read_list(settings.data_dir, "movies")
    again = add(path, settings)

    assert frozen.urls == 80
    assert (again.plan.new, again.plan.requests) == (160, 40)
    assert len({url for batch in urls_of(settings, again) for url in batch}) == 240
    assert not list(record(settings).parent.glob(".tmp-*"))
