from dataclasses import replace

import pytest

from tests.fake_pacer import AT_FULL_RATE, PAUSED, FakePacer
from tmdb_assets.errors import DownloadStoppedError, LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.model import Attempt, Fault
from tmdb_assets.slowdown import REFUSED_SECONDS, Slowdown


def answered(
    status: int | None, retry_after: str | None = None, fault: Fault | None = None
) -> Attempt:
    return Attempt(status, b"", "", retry_after, fault, (), 0.1, left_at=12.5)


class Clock:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("attempt", "heard"),
    [
        (answered(429), [(12.5, 0.0)]),
        (answered(429, "7"), [(12.5, 7.0)]),
        (answered(429, "soon"), [(12.5, 0.0)]),
        (answered(503, "3"), [(12.5, 3.0)]),
        (answered(503), []),
        (answered(500, "3"), []),
        (answered(200, "3"), []),
        (answered(None, fault=Fault.TIMED_OUT), []),
        (answered(429, fault=Fault.TRUNCATED), []),
    ],
)
def test_a_429_and_a_503_that_says_when_to_come_back_reach_the_limiter(
    attempt: Attempt, heard: list[tuple[float, float]]
) -> None:
    pacer = FakePacer()

    Slowdown(pacer).heed(attempt)

    assert pacer.refusals == heard


def test_a_date_in_retry_after_is_told_in_seconds() -> None:
    pacer = FakePacer()

    Slowdown(pacer).heed(answered(429, "Fri, 31 Dec 2100 23:59:59 GMT"))

    assert pacer.refusals[0][1] > 1e9


def test_only_what_is_news_counts_as_a_pause_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pacer = FakePacer(on_refusal=replace(PAUSED, pause_seconds=4.0))
    slowdown = Slowdown(pacer)

    slowdown.heed(answered(429))
    pacer.on_refusal = replace(PAUSED, is_news=False)
    slowdown.heed(answered(429))

    assert slowdown.pauses_seconds == [4.0]
    (record,) = caplog.records
    assert record.getMessage() == (
        "TMDB asks to slow down (HTTP 429): everybody pauses 4 s, then goes on at 42.5 requests/s "
        "and faster again by and by"
    )


def test_refusals_without_any_other_answer_end_the_run_after_a_bound() -> None:
    clock = Clock()
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=REFUSED_SECONDS - 1))
    slowdown = Slowdown(pacer, clock)

    slowdown.heed(answered(429))
    pacer.on_refusal = replace(PAUSED, refused_seconds=REFUSED_SECONDS)

    with pytest.raises(DownloadStoppedError, match=r"429 to everything for 10 minutes.*run again"):
        slowdown.heed(answered(429))


def test_an_answer_in_between_gives_the_run_the_whole_time_again() -> None:
    clock = Clock()
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=10 * REFUSED_SECONDS))
    slowdown = Slowdown(pacer, clock)

    slowdown.heed(answered(500))
    clock.now += REFUSED_SECONDS - 1
    slowdown.heed(answered(429))
    clock.now += 1

    with pytest.raises(DownloadStoppedError):
        slowdown.heed(answered(429))


def test_a_fault_without_an_answer_is_no_progress() -> None:
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=REFUSED_SECONDS))
    slowdown = Slowdown(pacer, Clock())

    slowdown.heed(answered(None, fault=Fault.CONNECTION_LOST))

    with pytest.raises(DownloadStoppedError):
        slowdown.heed(answered(429))


def test_what_the_limiter_raises_comes_through() -> None:
    class Closed(FakePacer):
        def refused(self, left_at: float, asked_seconds: float) -> Pace:
            super().refused(left_at, asked_seconds)
            raise LimiterClosedError("closed")

    with pytest.raises(LimiterClosedError):
        Slowdown(Closed()).heed(answered(429))


@pytest.mark.parametrize(
    ("pacer", "words"),
    [
        (FakePacer(), ""),
        (FakePacer(replace(AT_FULL_RATE, eldest=None), born=2), ""),
        (FakePacer(born=2), "an older run goes first"),
        (
            FakePacer(replace(PAUSED, pause_seconds=3.6), born=2),
            "everybody pauses for 4 s more after a 429",
        ),
        (
            FakePacer(replace(AT_FULL_RATE, requests_per_second=44.04)),
            "slowed to 44.0 requests/s after a 429",
        ),
        (
            FakePacer(replace(AT_FULL_RATE, requests_per_second=44.04), born=2),
            "slowed to 44.0 requests/s after a 429; an older run goes first",
        ),
        (FakePacer(LimiterUnavailableError("gone")), "the limiter does not answer"),
    ],
)
def test_what_holds_a_run_back_is_said_in_a_few_words(pacer: FakePacer, words: str) -> None:
    assert Slowdown(pacer).words() == words
