"""What a user sees in a real browser: the clicks that start, and every page that tells of it."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.environment import clean
from tests.patience import HANG_SECONDS, wait_until
from tests.system.browser import Visitor, shoot, started_browser
from tests.system.dagster_dev import DagsterDev
from tests.system.judge import judging
from tests.system.project import Project
from tmdb_assets.pictures import WIDTH
from tmdb_assets.standin.process import StandInProcess

ASSET = "/assets/tmdb_responses"
CHECKS = ("cap_was_held", "every_url_has_one_outcome", "files_are_as_fetched", "no_url_failed")
FAILS_FOR_EVER = "/3/movie/7"

HAS_INK = """canvas => canvas.getContext("2d")
  .getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"""


@dataclass(frozen=True)
class Scene:
    """What is up.

    Attributes:
        bad: the partition with the URL that fails.
        good: the other one.
    """

    stand_in: StandInProcess
    dagster_dev: DagsterDev
    visitor: Visitor
    bad: str
    good: str


@dataclass(frozen=True)
class Backfill:
    """What the clicks led to.

    Attributes:
        bad: the partition with the URL that fails.
        good: the other one.
        page: where Dagster tells of the backfill.
        runs: id of the run of each partition.
    """

    bad: str
    good: str
    page: str
    runs: dict[str, str]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clean(monkeypatch, tmp_path_factory.mktemp("state"))
        with started_browser() as browser:
            yield browser


@pytest.fixture(scope="module")
def scene(
    browser: Browser, limiter: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Come after the browser: where there is none, nothing has to start."""
    with judging(latency_seconds=0.3, cap=50) as (stand_in, _):
        stand_in.change({"script": {FAILS_FOR_EVER: ["503"]}})
        settings = {"TMDB_LIMITER": f"file:{limiter}", "TMDB_MAX_ATTEMPTS": "1"}
        with Project(tmp_path_factory.mktemp("project"), stand_in.origin, **settings) as project:
            dagster_dev = DagsterDev(project)
            try:
                code, added, _ = project.run("add", project.write_list(200), "--json")
                assert code == 0
                visitor = Visitor(browser, f"http://127.0.0.1:{dagster_dev.port}")
                with closing(visitor):
                    yield Scene(stand_in, dagster_dev, visitor, *json.loads(added)["all_batches"])
            finally:
                project.kill_all()
                dagster_dev.process.wait(HANG_SECONDS)


@pytest.fixture(scope="module")
def backfill(scene: Scene) -> Backfill:
    """Materialize both partitions as a user does: by clicks."""
    keys = [scene.bad, scene.good]
    with scene.visitor.page("backfill") as page:
        choose_all(page, keys)
        page.get_by_role("button", name="Launch backfill").click()
        page.get_by_role("link", name="View", exact=True).click()
        expect(page).to_have_url(re.compile("/runs/b/[a-z]+$"))
        wait_until(lambda: scene.dagster_dev.have_succeeded(keys), "both runs", 0.5)
        runs = {key: runs[0]["runId"] for key, runs in scene.dagster_dev.runs().items()}
        return Backfill(scene.bad, scene.good, page.url, runs)


@pytest.fixture
def page(scene: Scene, backfill: Backfill, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Lend a page; that nobody has asked others is part of every test."""
    assert backfill.runs
    with scene.visitor.page(request.node.name.removeprefix("test_")) as page:
        yield page
    assert scene.visitor.strangers == []


def choose_all(page: Page, keys: list[str]) -> None:
    page.goto(ASSET)
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    expect(dialog).to_contain_text(f"{len(keys)} partitions")
    for key in keys:
        expect(dialog).to_contain_text(key)
    shoot(page, "dialog_of_materialize")


def value_of(page: Page, name: str) -> Locator:
    """Return the last cell of a row of metadata that has something in it."""
    row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
    return row.get_by_role("cell").filter(has_text=re.compile(r"\S")).last


def test_a_backfill_of_two_clicks_asks_for_every_url_once_and_ends_well(
    page: Page, backfill: Backfill, scene: Scene
) -> None:
    page.goto(f"{backfill.page}?tab=runs")

    expect(page.get_by_text("Success", exact=True)).to_have_count(2)
    for key in (backfill.bad, backfill.good):
        expect(page.get_by_text(f"partition: {key}").locator("visible=true").first).to_be_visible()
    assert set(backfill.runs) == {backfill.bad, backfill.good}
    assert scene.stand_in.statistics()["arrivals"] == 200


def test_the_page_of_the_asset_shows_numbers_and_pictures_of_the_latest_partition(
    page: Page, backfill: Backfill
) -> None:
    page.goto(ASSET)
    page.get_by_role("button", name="Table").click()

    expect(page.get_by_text("Latest materialization")).to_be_visible()
    latest = page.get_by_text(re.compile(f"^({backfill.bad}|{backfill.good})$"))
    expect(latest.locator("visible=true").first).to_be_visible()
    expect(value_of(page, "urls")).to_have_text("100")
    assert float(value_of(page, "requests_per_second").inner_text()) > 0
    assert 0 < float(value_of(page, "share_of_cap").inner_text()) <= 1.05
    assert value_of(page, "failed").inner_text().strip() in {"0", "1"}
    for name in ("requests_by_second", "latency_histogram"):
        row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
        expect(row.locator("img")).to_have_js_property("naturalWidth", WIDTH)


def test_numbers_are_plotted_by_partition(page: Page) -> None:
    page.goto(ASSET)
    page.get_by_role("button", name="Plots").click()

    for name in ("requests_per_second", "share_of_cap", "failed"):
        plot = page.locator("div").filter(has=page.get_by_text(name, exact=True)).last
        canvas = plot.locator("xpath=..").locator("canvas").first
        expect(canvas).to_be_attached()
        canvas.scroll_into_view_if_needed()
        page.wait_for_function(HAS_INK, arg=canvas.element_handle())


def test_a_partition_shows_its_own_numbers_and_what_failed_with_its_reason(
    page: Page, backfill: Backfill
) -> None:
    page.goto(f"{ASSET}?view=partitions")

    for key in (backfill.bad, backfill.good):
        expect(page.get_by_text(key).locator("visible=true").first).to_be_visible()
    expect(page.get_by_text("Materialized (2)")).to_be_visible()
    page.get_by_text(backfill.bad).locator("visible=true").first.click()
    expect(value_of(page, "failed")).to_have_text("1")
    failures = page.get_by_role("row").filter(has=page.get_by_text("failures", exact=True))
    failures.scroll_into_view_if_needed()
    expect(failures).to_contain_text("HTTP 503, TMDB code 9")
    expect(failures).to_contain_text(FAILS_FOR_EVER)


def test_all_checks_are_listed_and_a_good_partition_does_not_hide_a_bad_one(page: Page) -> None:
    page.goto(f"{ASSET}?view=checks")

    for name in CHECKS:
        expect(page.get_by_text(name).locator("visible=true").first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(3)
    expect(page.get_by_text("Failed", exact=True)).to_have_count(1)


def test_every_check_has_a_result_for_every_partition(page: Page, backfill: Backfill) -> None:
    page.goto(f"{ASSET}?view=checks")

    for name in CHECKS:
        page.get_by_text(name).locator("visible=true").first.click()
        in_list_and_as_heading = page.get_by_text(name, exact=True).locator("visible=true")
        expect(in_list_and_as_heading).to_have_count(2)
        of_check = page.get_by_role("tablist").filter(has_text="Execution history")
        of_check.get_by_role("tab", name="Partitions").click()
        shoot(page, f"check_{name}")
        expect(page.get_by_text("Missing (0)")).to_be_visible()
        results = "Failed (1)" if name == "no_url_failed" else "Passed (2)"
        expect(page.get_by_text(results, exact=True)).to_be_visible()
    page.get_by_text(backfill.bad).locator("visible=true").last.click()
    expect(page.get_by_text("HTTP 503, TMDB code 9")).to_be_visible()


def test_the_lineage_leads_from_exports_over_lists_and_responses_to_tables(page: Page) -> None:
    page.goto("/asset-groups")

    expect(page.locator("svg path[marker-end]")).to_have_count(4)
    boxes = [
        page.locator("foreignObject").filter(has_text=name).first.bounding_box()
        for name in ("url_lists", "tmdb_responses")
    ]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_the_page_of_lists_says_what_was_frozen(page: Page, backfill: Backfill) -> None:
    page.goto("/assets/url_lists")

    expect(value_of(page, "urls")).to_have_text("200")
    expect(value_of(page, "batches")).to_have_text("2")
    assert backfill.bad.startswith(value_of(page, "list").inner_text().strip())


def test_the_page_of_a_run_shows_our_own_lines(page: Page, backfill: Backfill) -> None:
    page.goto(f"/runs/{backfill.runs[backfill.bad]}")
    page.get_by_placeholder("Filter…").fill("batch")

    for line in (
        f"batch {backfill.bad}: 100 URLs, 0 done before",
        rf"batch {backfill.bad}: 97 fetched, 2 absent, 1 failed in [0-9.]+ s, [0-9.]+ requests/s",
    ):
        expect(page.get_by_text(re.compile(line))).to_be_visible()


def test_a_request_to_elsewhere_would_be_refused_and_noticed(
    browser: Browser, scene: Scene
) -> None:
    origin = f"http://127.0.0.1:{scene.dagster_dev.port}"
    urls = ["https://example.test/", "http://127.0.0.10/", "/server_info"]

    with closing(Visitor(browser, origin)) as visitor, visitor.page("elsewhere") as page:
        page.goto("/server_info")
        said = [
            page.evaluate("url => fetch(url).then(() => 'answered', () => 'refused')", url)
            for url in urls
        ]

    assert said == ["refused", "refused", "answered"]
    assert visitor.strangers == urls[:2]
