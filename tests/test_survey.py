from pathlib import Path
from typing import Any

import pytest

from tests.made_outcome import made_outcome
from tmdb_assets import batches
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.model import OutcomeKind, Target
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.renewal import Renewal, write_renewal
from tmdb_assets.settings import from_environment
from tmdb_assets.survey import RATE_SECONDS, SETTLE_SECONDS, Survey

BEGAN_AT = 1_800_000_000.0


class FakeClock:
    def __init__(self) -> None:
        self.now = BEGAN_AT

    def __call__(self) -> float:
        return self.now


class Films:
    """A list of 250 films in three batches, and a hand that writes their outcomes."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        settings = from_environment({"TMDB_DATA_DIR": str(self.data_dir), "TMDB_BATCH_SIZE": "100"})
        path = folder / "films.txt"
        path.write_text("".join(f"/movie/{number}\n" for number in range(250)))
        self.batches = batches.add(path, settings).all_batches
        self.targets = [batches.load(self.data_dir, batch) for batch in self.batches]

    def append(self, batch: int, *lines: bytes) -> None:
        folder = batch_folder(self.data_dir, self.batches[batch])
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "outcomes.jsonl").open("ab") as file:
            file.writelines(lines)

    def send(self, batch: int, moments: list[float]) -> None:
        """Have a film fetched at each of these moments."""
        target = self.targets[batch][0]
        self.append(batch, *(line(target, sent_at=(moment,)) for moment in moments))


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return Films(tmp_path)


def line(
    target: Target,
    kind: OutcomeKind = OutcomeKind.FETCHED,
    sent_at: tuple[float, ...] = (BEGAN_AT,),
    **changes: Any,
) -> bytes:
    return encode(made_outcome(target, kind, sent_at=sent_at, **changes))


def every(seconds: float, start: float, end: float) -> list[float]:
    """Return moments from after `start` up to `end`."""
    return [start + seconds * number for number in range(1, round((end - start) / seconds) + 1)]


def test_a_list_that_was_only_added_is_pending_as_a_whole(films: Films) -> None:
    standing = Survey(films.data_dir, "films", FakeClock()).look()

    assert (standing.name, standing.urls, standing.pending) == ("films", 250, 250)
    assert (standing.batches, standing.complete) == (3, 0)
    assert (standing.done, standing.failed, standing.requests) == (0, 0, 0)
    assert (standing.requests_per_second, standing.mean_requests_per_second) == (0.0, 0.0)


def test_every_look_adds_what_was_written_since(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    first, second = films.targets[0], films.targets[2]

    films.append(0, line(first[0]), line(first[1], OutcomeKind.ABSENT))
    before = survey.look()
    films.append(0, line(first[2]))
    films.append(2, line(second[0], OutcomeKind.FAILED, sent_at=(1.0, 2.0, 3.0)))
    after = survey.look()
    again = survey.look()

    assert (before.fetched, before.absent, before.failed, before.pending) == (1, 1, 0, 248)
    assert (after.fetched, after.absent, after.failed, after.pending) == (2, 1, 1, 246)
    assert (before.requests, after.requests) == (2, 6)
    assert (before.done, after.done) == (2, 3)
    assert again == after


def test_the_last_line_of_a_url_says_how_it_stands(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    target = films.targets[0][0]

    films.append(0, line(target, OutcomeKind.FAILED))
    before = survey.look()
    films.append(0, line(target))
    after = survey.look()

    assert (before.fetched, before.failed, before.pending) == (0, 1, 249)
    assert (after.fetched, after.failed, after.pending) == (1, 0, 249)
    assert after.requests == 2


def test_a_line_counts_when_its_end_has_arrived(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    whole = line(films.targets[0][0])

    films.append(0, whole[:-20])
    before = survey.look()
    films.append(0, whole[-20:])
    after = survey.look()

    assert (before.fetched, after.fetched) == (0, 1)


def test_a_batch_with_a_receipt_is_complete(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    films.append(1, line(films.targets[1][0]))
    (batch_folder(films.data_dir, films.batches[1]) / "receipt.json").write_text("{}")

    standing = survey.look()

    assert (standing.batches, standing.complete) == (3, 1)


def test_the_present_rate_is_that_of_the_last_settled_seconds_of_all_batches(films: Films) -> None:
    clock = FakeClock()
    survey = Survey(films.data_dir, "films", clock)
    end = BEGAN_AT + 60.0
    films.send(0, every(0.1, BEGAN_AT, end))
    films.send(1, every(0.05, end - 20.0, end))
    clock.now = end + SETTLE_SECONDS

    assert survey.look().requests_per_second == pytest.approx(30.0, rel=0.02)


def test_the_last_seconds_do_not_count_because_their_answers_are_still_out(films: Films) -> None:
    clock = FakeClock()
    survey = Survey(films.data_dir, "films", clock)
    clock.now = BEGAN_AT + 60.0
    # as it is with an answer after three seconds: only what left until then is on disk
    films.send(0, every(0.02, BEGAN_AT, clock.now - 3.0))

    assert survey.look().requests_per_second == pytest.approx(50.0, rel=0.02)


def test_the_present_rate_is_right_from_the_start_of_a_run(films: Films) -> None:
    clock = FakeClock()
    survey = Survey(films.data_dir, "films", clock)
    films.send(0, every(0.02, BEGAN_AT, BEGAN_AT + 3.0))
    clock.now = BEGAN_AT + 3.0 + SETTLE_SECONDS

    assert survey.look().requests_per_second == pytest.approx(50.0, rel=0.02)


@pytest.mark.parametrize("later_seconds", [0.0, 1.0, 5.0, 8.0, 20.0])
def test_a_survey_that_begins_amid_a_run_says_the_rate_that_is_held(
    films: Films, later_seconds: float
) -> None:
    clock = FakeClock()
    survey = Survey(films.data_dir, "films", clock)
    clock.now += later_seconds
    films.send(0, every(0.02, BEGAN_AT - 60.0, clock.now - 2.5))

    assert survey.look().requests_per_second == pytest.approx(50.0, rel=0.02)


def test_the_present_rate_falls_to_nothing_after_the_end(films: Films) -> None:
    clock = FakeClock()
    survey = Survey(films.data_dir, "films", clock)
    end = BEGAN_AT + 60.0
    films.send(0, every(0.02, BEGAN_AT, end))

    rates = []
    for seconds in (0.0, RATE_SECONDS / 2, RATE_SECONDS):
        clock.now = end + SETTLE_SECONDS + seconds
        rates.append(survey.look().requests_per_second)

    assert rates == pytest.approx([50.0, 25.0, 0.0], rel=0.02)


def test_the_mean_rate_is_that_of_the_requests_since_the_survey_began(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    films.send(0, every(0.001, BEGAN_AT - 60.0, BEGAN_AT - 50.0))
    films.send(1, every(0.5, BEGAN_AT + 100.0, BEGAN_AT + 200.0))

    before = survey.look()
    films.send(0, every(0.5, BEGAN_AT + 200.0, BEGAN_AT + 300.0))
    after = survey.look()

    assert before.mean_requests_per_second == pytest.approx(2.0)
    assert after.mean_requests_per_second == pytest.approx(2.0)
    assert after.requests == 10_000 + 400


def test_one_request_alone_makes_no_mean_rate(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    films.send(0, [BEGAN_AT + 1.0])

    assert survey.look().mean_requests_per_second == 0.0


def test_failures_are_the_urls_that_failed_in_the_end_in_the_order_of_the_batches(
    films: Films,
) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    mended, broken, worse = films.targets[0][:3]
    films.append(2, line(films.targets[2][0], OutcomeKind.FAILED, reason="timed out"))
    films.append(0, line(mended, OutcomeKind.FAILED, reason="HTTP 500"))
    films.append(0, line(broken), line(broken, OutcomeKind.FAILED, reason="empty body"))
    films.append(0, line(worse, OutcomeKind.FAILED, reason="timed out"), line(mended))
    films.append(0, line(worse, OutcomeKind.FAILED, reason="HTML instead of JSON"))
    survey.look()

    failures = [(one.url, one.reason) for one in survey.failures()]

    assert failures == [
        (broken.url, "empty body"),
        (worse.url, "HTML instead of JSON"),
        (films.targets[2][0].url, "timed out"),
    ]
    assert [(one.url, one.reason) for one in survey.failures()] == failures


def test_a_list_that_is_not_there_is_said_to_be_unknown(films: Films) -> None:
    with pytest.raises(BatchError, match="there is no list 'flims' in "):
        Survey(films.data_dir, "flims")


def test_outcomes_of_a_newer_format_are_refused(films: Films) -> None:
    survey = Survey(films.data_dir, "films")
    newer = line(films.targets[0][0]).replace(b'"format":2', b'"format":3')
    films.append(0, newer)

    with pytest.raises(BatchError, match="update this one"):
        list(survey.failures())
    with pytest.raises(BatchError, match="update this one"):
        survey.look()


def test_outcomes_that_cannot_be_read_are_named_with_the_remedy(films: Films) -> None:
    survey = Survey(films.data_dir, "films")
    folder = batch_folder(films.data_dir, films.batches[1])
    (folder / "outcomes.jsonl").mkdir(parents=True)

    with pytest.raises(StoreError, match=f"cannot use '{folder}': .*: set TMDB_DATA_DIR to"):
        survey.look()
    with pytest.raises(StoreError, match=f"cannot use '{folder}': .*: set TMDB_DATA_DIR to"):
        list(survey.failures())


def test_outcomes_are_followed_by_more_than_one_survey(films: Films) -> None:
    first, second = (Survey(films.data_dir, "films", FakeClock()) for _ in range(2))
    films.append(0, line(films.targets[0][0]))
    seen = first.look()

    assert second.look() == seen
    assert seen.fetched == 1


# --- what is too old, and what came together ----------------------------------------------------


def dated(
    target: Target,
    kind: OutcomeKind,
    as_of: float,
    sent_at: tuple[float, ...] = (),
    combined_with: str = "",
) -> bytes:
    return line(target, kind, sent_at, as_of=as_of, combined_with=combined_with)


def test_what_has_to_be_newer_is_pending_until_it_is(films: Films) -> None:
    fetched, absent = OutcomeKind.FETCHED, OutcomeKind.ABSENT
    one, other, third, *_ = films.targets[0]
    films.append(
        0,
        dated(one, fetched, BEGAN_AT - 10),
        dated(other, absent, BEGAN_AT - 10),
        dated(third, OutcomeKind.FAILED, BEGAN_AT - 10),
    )
    before = Survey(films.data_dir, "films", FakeClock()).look()
    write_renewal(films.data_dir, "films", Renewal(BEGAN_AT))
    survey = Survey(films.data_dir, "films", FakeClock())

    old = survey.look()
    films.append(0, dated(one, fetched, BEGAN_AT))
    new = survey.look()

    assert (before.fetched, before.absent, before.failed, before.pending) == (1, 1, 1, 247)
    assert (old.fetched, old.absent, old.failed, old.pending) == (0, 0, 1, 249)
    assert (new.fetched, new.absent, new.failed, new.pending) == (1, 0, 1, 248)


def test_what_was_purged_is_done_until_somebody_wants_it_anew(films: Films) -> None:
    (one, *_) = films.targets[0]
    films.append(0, line(one), dated(one, OutcomeKind.PURGED, BEGAN_AT + 5))
    purged = Survey(films.data_dir, "films", FakeClock()).look()
    write_renewal(films.data_dir, "films", Renewal(BEGAN_AT + 6))

    wanted = Survey(films.data_dir, "films", FakeClock()).look()

    assert (purged.purged, purged.fetched, purged.done, purged.pending) == (1, 0, 1, 249)
    assert (wanted.purged, wanted.done, wanted.pending) == (0, 0, 250)


def together(films: Films, batch: int, first: int, count: int) -> list[bytes]:
    """Return outcomes of targets that one request brought."""
    return [
        dated(one, OutcomeKind.FETCHED, BEGAN_AT, (BEGAN_AT,) * (not number), "https://x")
        for number, one in enumerate(films.targets[batch][first : first + count])
    ]


def test_urls_for_each_request_are_told_where_they_come_together(films: Films) -> None:
    survey = Survey(films.data_dir, "films", FakeClock())
    none = survey.look()
    films.append(0, line(films.targets[0][0]))
    alone = survey.look()
    films.append(0, *together(films, 0, 1, 4), *together(films, 0, 5, 4))
    combined = survey.look()

    assert (none.urls_per_request, alone.urls_per_request) == (1.0, 1.0)
    assert (combined.requests, combined.urls_per_request) == (3, 3.0)


def test_requests_without_an_outcome_make_no_share_below_one(films: Films) -> None:
    films.append(0, line(films.targets[0][0], sent_at=(BEGAN_AT, BEGAN_AT + 1, BEGAN_AT + 2)))

    assert Survey(films.data_dir, "films", FakeClock()).look().urls_per_request == 1.0


def test_a_purge_is_no_answer_to_a_request(films: Films) -> None:
    some = films.targets[0][:9]
    films.append(0, *(line(one) for one in some))
    films.append(0, *(dated(one, OutcomeKind.PURGED, BEGAN_AT) for one in some))

    assert Survey(films.data_dir, "films", FakeClock()).look().urls_per_request == 1.0
