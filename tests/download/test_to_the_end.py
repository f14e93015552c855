"""A download ends with true bodies, each asked for once, and tells what it did."""

import hashlib
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.download.place import BATCH, asked, paths, place, quick
from tmdb_assets.cap_use import fullest_second
from tmdb_assets.download import download_batch
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder, needs_download
from tmdb_assets.standin.faults import Share
from tmdb_assets.standin.server import StandIn

OUTCOME = Outcome("", "", OutcomeKind.ABSENT, 404, "", 1, 0, "", "", (), 0.1)
PASSING = (
    *("503", "502", "500", "504", "reset", "close", "reset_in_body", "truncated"),
    *("truncated_chunked", "bad_json", "bad_gzip", "html", "empty", "404_html"),
)
"""Kinds of misbehaviour that are over with the next request, and cost no long pause."""


def test_every_url_is_asked_once_and_its_body_stored_as_it_was_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 300)

        report = download_batch(BATCH, films.settings, "run 7")

        assert asked(server) == dict.fromkeys(paths(films.targets, server.origin), 1)
    bodies = films.bodies()
    absent = 300 - len(bodies)
    assert bodies == films.true_bodies()
    assert 0 < absent < 300
    assert Counter(outcome.name for outcome in films.outcomes()) == dict.fromkeys(
        (target.name for target in films.targets), 1
    )
    assert (films.responses / ".lock").read_text() == ""
    assert (report.batch, report.urls, report.resumed) == (BATCH, 300, 0)
    assert (report.fetched, report.absent, report.failed) == (300 - absent, absent, 0)
    assert (report.requests, report.refused) == (300, 0)
    assert report.bytes == sum(map(len, bodies.values()))
    assert (report.failures, report.pauses) == ((), ())
    assert report.folder == films.responses


def test_the_rates_and_times_of_the_report_are_those_of_the_outcomes(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(latency_seconds=0.05)) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        began_at = time.time()

        report = download_batch(BATCH, films.settings)

    sent_at = sorted(moment for outcome in films.outcomes() for moment in outcome.sent_at)
    rate = 99 / (sent_at[-1] - sent_at[0])
    assert report.requests_per_second == pytest.approx(rate, rel=0.001)
    assert report.share_of_cap == pytest.approx(rate / 1000, rel=0.001)
    assert 0.0 < report.latency_p50_seconds <= report.latency_p95_seconds <= report.seconds
    assert report.seconds <= time.time() - began_at
    assert began_at <= sent_at[0]
    assert len(report.latencies_seconds) == 100
    assert sorted(report.latencies_seconds) == pytest.approx(
        sorted(outcome.seconds for outcome in films.outcomes()), abs=1e-6
    )
    assert sorted(report.latencies_seconds)[49] == report.latency_p50_seconds
    assert 0.0 < report.permit_wait_seconds <= report.seconds


def test_the_report_tells_how_the_run_and_all_beside_it_used_the_cap(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        # what another run leaves that sends all the time
        other = batch_folder(films.settings.data_dir, "shows-stand-in-0001")
        other.mkdir(parents=True)
        now = time.time()
        moments = tuple(now + number / 100 for number in range(6000))
        (other / "outcomes.jsonl").write_bytes(encode(replace(OUTCOME, sent_at=moments)))

        report = download_batch(BATCH, films.settings)

    own = sorted(moment for outcome in films.outcomes() for moment in outcome.sent_at)
    others = sum(own[0] <= moment <= own[-1] for moment in moments)
    use = report.cap_use
    assert report.cap == 1000
    assert use.batches == 2
    assert use.requests == sum(use.per_second) == pytest.approx(100 + others, abs=1)
    assert sum(use.own_per_second) == 100
    assert len(use.per_second) == len(use.own_per_second)
    assert fullest_second(own)[0] + 90 <= use.fullest <= 1000


def test_the_receipt_vouches_for_all_bodies(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        before = needs_download(films.settings.data_dir, BATCH)
        report = download_batch(BATCH, films.settings)

    receipt = json.loads((films.responses / "receipt.json").read_bytes())
    bodies = films.bodies()
    digest = hashlib.sha256()
    for target in films.targets:
        body = bodies.get(f"{target.name}.json")
        mine = hashlib.sha256(body).hexdigest() if body is not None else ""
        digest.update(f"{target.name} {mine}\n".encode())
    assert (before, needs_download(films.settings.data_dir, BATCH)) == (True, False)
    assert receipt["digest"] == digest.hexdigest()
    assert (receipt["urls"], receipt["attempts"]) == (100, 100)
    assert receipt["fetched"] == report.fetched == len(bodies)
    assert receipt["bytes"] == report.bytes


def test_of_a_server_that_misbehaves_only_true_bodies_are_stored(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(fault_share=0.2, fault_kinds=PASSING)) as server:
        films = place(tmp_path, server.origin, limiter, 300)

        report = download_batch(BATCH, films.settings)

        statistics = server.statistics()
        asked_for = asked(server)
    faulty = {path for path, count in asked_for.items() if count == 2}
    share = Share(0.2, PASSING, 1, 0)
    assert films.bodies() == films.true_bodies()
    assert faulty == {path for path in asked_for if share.kind_of(path)}
    assert 30 <= len(faulty) <= 90
    assert max(asked_for.values()) == 2
    assert report.failed == 0
    assert report.requests == statistics["arrivals"] == 300 + len(faulty)
    assert sum(count for _, count in report.pauses) == len(faulty)
    assert Counter(outcome.name for outcome in films.outcomes()) == dict.fromkeys(
        (target.name for target in films.targets), 1
    )


def test_what_never_works_fails_by_itself_and_is_tried_again_by_the_next_run(
    tmp_path: Path, limiter: Path
) -> None:
    script = {"/3/movie/105": ["error_44", "error_44"], "/3/movie/107": ["redirect_other"]}
    with StandIn(quick(script=script)) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        reports = [download_batch(BATCH, films.settings)]
        needs = [needs_download(films.settings.data_dir, BATCH)]
        server.reset()
        server.change({"script": {"/3/movie/105": ["error_44"]}})
        reports.append(download_batch(BATCH, films.settings))
        second = asked(server)
        needs.append(needs_download(films.settings.data_dir, BATCH))
        server.change({"script": {}})
        reports.append(download_batch(BATCH, films.settings))
        needs.append(needs_download(films.settings.data_dir, BATCH))

    assert [report.failed for report in reports] == [2, 1, 0]
    assert [report.resumed for report in reports] == [0, 98, 99]
    assert [report.requests for report in reports] == [100, 2, 1]
    assert set(reports[0].failures) == {
        ("HTTP 500, TMDB code 44", 1, (f"{films.settings.origins[0]}/3/movie/105",)),
        ("redirected elsewhere", 1, (f"{films.settings.origins[0]}/3/movie/107",)),
    }
    assert second == {"/3/movie/105": 1, "/3/movie/107": 1}
    assert needs == [True, True, False]
    assert films.bodies() == films.true_bodies()


def test_answers_429_are_counted_and_waited_out(tmp_path: Path, limiter: Path) -> None:
    script = {"/3/movie/105": ["429"], "/3/movie/107": ["429_retry_after"]}
    with StandIn(quick(script=script)) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        report = download_batch(BATCH, films.settings)

    assert (report.refused, report.requests, report.failed) == (2, 102, 0)
    assert 1 <= report.cooldowns <= 2  # the second may say the same as the first
    assert 0.9 * report.cooldowns <= report.cooldown_seconds <= report.seconds
    assert report.limiter_rate < films.settings.requests_per_second
    assert films.bodies() == films.true_bodies()
