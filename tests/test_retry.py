import json
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmdb_assets.answer import parse
from tmdb_assets.model import Attempt, Fault
from tmdb_assets.retry import (
    BACKOFF_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    Judgement,
    Verdict,
    judge,
    parse_retry_after,
    pause_seconds,
)

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
HTML = b"<!DOCTYPE html>\n<html><body>Bad gateway</body></html>"
REASON = re.compile(
    r"(?:HTTP \d+(?:, TMDB code -?\d{1,4})?|(?:HTTP \d+, )?"
    r"(?:empty body|HTML instead of JSON|invalid JSON|JSON that is no TMDB answer|"
    r"JSON nested too deeply|a list instead of an object))?"
)
"""All that a reason may say of an answer: numbers and our own words."""

statuses = st.one_of(st.none(), st.integers(0, 999), st.sampled_from([200, 204, 404, 401, 429]))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status_code", "status_message", "success", "id"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
retry_afters = st.none() | st.floats(0, 1e12)
jitters = st.floats(0, 1)


def judged(attempt: Attempt) -> Judgement:
    return judge(attempt, "https://api.themoviedb.org/3/discover/movie")


def answered(status: int | None, body: bytes, fault: Fault | None = None) -> Attempt:
    return Attempt(status, body, "", None, fault, sent_at=(1.0,), seconds=0.1)


def envelope(code: int) -> bytes:
    return json.dumps(
        {"success": False, "status_code": code, "status_message": "Some words."}
    ).encode()


def jitter_of(value: float) -> Callable[[], float]:
    return lambda: value


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (404, 34, Verdict.ABSENT),
        (404, 6, Verdict.ABSENT),
        (410, 34, Verdict.ABSENT),
        (401, 7, Verdict.STOP),
        (401, 3, Verdict.STOP),
        (401, 10, Verdict.STOP),
        (401, 14, Verdict.STOP),
        (401, 31, Verdict.STOP),
        (401, 32, Verdict.STOP),
        (401, 35, Verdict.STOP),
        (403, 45, Verdict.STOP),
        (401, 36, Verdict.GIVE_UP),
        (401, 38, Verdict.GIVE_UP),
        (401, 39, Verdict.GIVE_UP),
        (500, 44, Verdict.GIVE_UP),
        (501, 2, Verdict.GIVE_UP),
        (405, 4, Verdict.GIVE_UP),
        (422, 5, Verdict.GIVE_UP),
        (403, 8, Verdict.GIVE_UP),
        (400, 18, Verdict.GIVE_UP),
        (406, 19, Verdict.GIVE_UP),
        (422, 20, Verdict.GIVE_UP),
        (400, 22, Verdict.GIVE_UP),
        (400, 23, Verdict.GIVE_UP),
        (400, 26, Verdict.GIVE_UP),
        (400, 27, Verdict.GIVE_UP),
        (400, 28, Verdict.GIVE_UP),
        (400, 29, Verdict.GIVE_UP),
        (405, 42, Verdict.GIVE_UP),
        (400, 47, Verdict.GIVE_UP),
        (200, 21, Verdict.GIVE_UP),
        (200, 40, Verdict.GIVE_UP),
        (503, 9, Verdict.AGAIN),
        (500, 11, Verdict.AGAIN),
        (500, 15, Verdict.AGAIN),
        (504, 24, Verdict.AGAIN),
        (502, 43, Verdict.AGAIN),
        (503, 46, Verdict.AGAIN),
        (408, 24, Verdict.AGAIN),
        (429, 25, Verdict.REFUSED),
    ],
)
def test_each_code_of_tmdb_has_its_verdict_and_is_the_reason(
    status: int, code: int, verdict: Verdict
) -> None:
    judgement = judged(answered(status, envelope(code)))

    assert judgement.verdict is verdict
    assert judgement.reason == f"HTTP {status}, TMDB code {code}"


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        (200, b'{"id":550}', Verdict.FETCHED, ""),
        (200, b' \n{"id":550}\r\n', Verdict.FETCHED, ""),
        (200, b"{}", Verdict.FETCHED, ""),
        (200, b"[]", Verdict.AGAIN, "a list instead of an object"),
        (200, '{"title":"Amélie 雨"}'.encode(), Verdict.FETCHED, ""),
        (200, b'{"status":"Released","success":true}', Verdict.FETCHED, ""),
        (200, b'{"status_code":7}', Verdict.FETCHED, ""),
        (200, b'{"success":false}', Verdict.AGAIN, "HTTP 200"),
        (200, b"", Verdict.AGAIN, "empty body"),
        (200, b" \r\n\t", Verdict.AGAIN, "empty body"),
        (200, HTML, Verdict.AGAIN, "HTML instead of JSON"),
        (200, b"\n <html>", Verdict.AGAIN, "HTML instead of JSON"),
        (200, b'{"id":550,"tit', Verdict.AGAIN, "invalid JSON"),
        (200, b'{"id":550}{"id":551}', Verdict.AGAIN, "invalid JSON"),
        (200, b'{"id":NaN}', Verdict.AGAIN, "invalid JSON"),
        (200, b'{"id":-Infinity}', Verdict.AGAIN, "invalid JSON"),
        (200, '{"id":550}'.encode("utf-16"), Verdict.AGAIN, "invalid JSON"),
        (200, '{"id":550}'.encode("utf-8-sig"), Verdict.AGAIN, "invalid JSON"),
        (200, b'{"title":"Am\xe9lie"}', Verdict.AGAIN, "invalid JSON"),
        (200, b"[" * 100_000, Verdict.AGAIN, "JSON nested too deeply"),
        (200, b'{"id":' + b"9" * 5000 + b"}", Verdict.AGAIN, "invalid JSON"),
        (200, b"550", Verdict.AGAIN, "JSON that is no TMDB answer"),
        (200, b'"Fight Club"', Verdict.AGAIN, "JSON that is no TMDB answer"),
        (200, b"null", Verdict.AGAIN, "JSON that is no TMDB answer"),
        (204, b"", Verdict.AGAIN, "HTTP 204, empty body"),
        (302, b"", Verdict.AGAIN, "HTTP 302, empty body"),
        (304, b"", Verdict.AGAIN, "HTTP 304, empty body"),
        (400, HTML, Verdict.AGAIN, "HTTP 400, HTML instead of JSON"),
        (400, b'{"errors":[]}', Verdict.GIVE_UP, "HTTP 400"),
        (401, HTML, Verdict.STOP, "HTTP 401"),
        (401, b"", Verdict.STOP, "HTTP 401"),
        (401, b'{"success":false}', Verdict.STOP, "HTTP 401"),
        (403, HTML, Verdict.AGAIN, "HTTP 403, HTML instead of JSON"),
        (404, HTML, Verdict.AGAIN, "HTTP 404, HTML instead of JSON"),
        (404, b"", Verdict.ABSENT, "HTTP 404"),
        (404, b"\n", Verdict.ABSENT, "HTTP 404"),
        (404, b'{"success":false}', Verdict.ABSENT, "HTTP 404"),
        (410, b"", Verdict.ABSENT, "HTTP 410"),
        (425, b"{}", Verdict.AGAIN, "HTTP 425"),
        (429, HTML, Verdict.REFUSED, "HTTP 429"),
        (429, b"", Verdict.REFUSED, "HTTP 429"),
        (429, b"{}", Verdict.REFUSED, "HTTP 429"),
        (500, b"", Verdict.AGAIN, "HTTP 500, empty body"),
        (503, HTML, Verdict.AGAIN, "HTTP 503, HTML instead of JSON"),
        (503, b"{}", Verdict.AGAIN, "HTTP 503"),
    ],
)
def test_an_answer_without_a_code_is_judged_by_status_and_body(
    status: int, body: bytes, verdict: Verdict, reason: str
) -> None:
    judgement = judged(answered(status, body))

    assert judgement.verdict is verdict
    assert judgement.reason == reason


@pytest.mark.parametrize("fault", Fault)
def test_only_faults_that_stay_are_given_up(fault: Fault) -> None:
    judgement = judged(answered(None, b"", fault))

    lasting = {Fault.TOO_LARGE, Fault.ECHO, Fault.REDIRECTED, Fault.REDIRECT_LOOP}
    assert judgement.verdict is (Verdict.GIVE_UP if fault in lasting else Verdict.AGAIN)
    assert judgement.reason == fault.value


def test_a_fault_outweighs_the_status() -> None:
    assert judged(answered(200, b"", Fault.TRUNCATED)).verdict is Verdict.AGAIN
    assert judged(answered(404, b"", Fault.TRUNCATED)).verdict is Verdict.AGAIN


def test_what_refuses_the_credential_stops_whatever_status_it_comes_with() -> None:
    for status in (200, 403, 429, 500):
        assert judged(answered(status, envelope(7))).verdict is Verdict.STOP


@given(statuses, st.binary())
def test_any_bytes_are_judged_in_our_own_words(status: int | None, body: bytes) -> None:
    assert REASON.fullmatch(judged(answered(status, body)).reason)


@given(statuses, documents)
@example(500, {"status_code": 10**4000, "status_message": ""})
@example(500, {"status_code": True, "status_message": ""})
def test_any_json_is_judged_in_our_own_words(status: int | None, document: object) -> None:
    body = json.dumps(document).encode()

    assert REASON.fullmatch(judged(answered(status, body)).reason)


@given(documents)
def test_what_is_fetched_can_be_parsed_to_an_object_or_a_list(document: object) -> None:
    body = json.dumps(document).encode()

    if judged(answered(200, body)).verdict is Verdict.FETCHED:
        assert isinstance(parse(body), dict | list)
        assert parse(body) == document


@pytest.mark.parametrize("body", [b"", HTML, b'{"secret":', b'"secret"', b"\xff secret"])
def test_a_parse_error_holds_nothing_of_the_body(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[A-Za-z ]+$") as caught:
        parse(body)

    assert "secret" not in "".join(traceback.format_exception(caught.value))


@given(st.integers(1, 10**9), retry_afters, jitters)
def test_a_pause_keeps_its_bounds(tries: int, asked: float | None, jitter: float) -> None:
    pause = pause_seconds(tries, asked, jitter_of(jitter))

    assert 0 <= pause <= max(LONGEST_BACKOFF_SECONDS, LONGEST_RETRY_AFTER_SECONDS)
    assert pause >= min(asked or 0.0, LONGEST_RETRY_AFTER_SECONDS)


@given(st.integers(1, 10**9), jitters)
def test_a_pause_never_shrinks_from_try_to_try(tries: int, jitter: float) -> None:
    pause = pause_seconds(tries, None, jitter_of(jitter))

    assert pause <= pause_seconds(tries + 1, None, jitter_of(jitter))


def test_the_longest_pause_doubles_up_to_half_a_minute() -> None:
    pauses = [pause_seconds(tries, None, jitter_of(1.0)) for tries in range(1, 9)]

    assert pauses == [BACKOFF_SECONDS, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(1, 100), jitters)
def test_jitter_takes_any_share_of_the_longest_pause(tries: int, jitter: float) -> None:
    longest = pause_seconds(tries, None, jitter_of(1.0))

    assert pause_seconds(tries, None, jitter_of(jitter)) == longest * jitter


@pytest.mark.parametrize(
    ("asked", "pause"), [(None, 0.0), (0.0, 0.0), (7.5, 7.5), (60.0, 60.0), (3600.0, 60.0)]
)
def test_what_the_server_asks_for_is_the_least_pause_within_a_minute(
    asked: float | None, pause: float
) -> None:
    assert pause_seconds(1, asked, jitter_of(0.0)) == pause


def test_the_longer_of_backoff_and_request_of_the_server_wins() -> None:
    assert pause_seconds(6, 5.0, jitter_of(1.0)) == LONGEST_BACKOFF_SECONDS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("0", 0.0),
        ("1", 1.0),
        (" 120\t", 120.0),
        ("0120", 120.0),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("²", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
        ("soon", None),
        ("nan", None),
        ("0x10", None),
        ("Sat, 01 Aug 2026 12:00:30 GMT", 30.0),
        ("Sat, 01 Aug 2026 14:00:30 +0200", 30.0),
        ("Sat, 01 Aug 2026 12:00:30", 30.0),
        ("Saturday, 01-Aug-26 12:00:30 GMT", 30.0),
        ("Sat Aug  1 12:00:30 2026", 30.0),
        ("Sat, 01 Aug 2026 11:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sat, 32 Aug 2026 12:00:30 GMT", None),
        ("Sat, 01 Aug 2026 12:00:30 +9999", None),
    ],
)
def test_retry_after_is_whole_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize("value", ["9" * 12, "9" * 400, "9" * 10_000], ids=len)
def test_a_huge_retry_after_is_a_finite_number(value: str) -> None:
    found = parse_retry_after(value, NOW)

    assert found is not None
    assert LONGEST_RETRY_AFTER_SECONDS < found < float("inf")


@pytest.mark.parametrize(
    "value",
    [
        "Sat, 01 Aug 99999999999 12:00:30 GMT",
        f"Sat, 01 Aug {'9' * 400} 12:00:30 GMT",
        f"Sat, 01 Aug {'9' * 5000} 12:00:30 GMT",
        f"Sat, {'9' * 30} Aug 2026 12:00:30 GMT",
        f"Sat, 01 Aug 2026 {'9' * 30}:00:30 GMT",
        f"Sat, 01 Aug 2026 12:00:30 +{'9' * 30}",
        "Sat, 01 Aug 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ],
    ids=range(8),
)
def test_a_date_beyond_all_bounds_asks_for_nothing_or_for_a_number(value: str) -> None:
    found = parse_retry_after(value, NOW)

    assert found is None or found >= 0


@given(
    st.text(max_size=40)
    | st.from_regex(
        r"(Mon, )?[0-9]{1,3}[ -](Jan|Aug|Dec|x)[ -][0-9]{1,12} [0-9]{1,3}(:[0-9]{1,3}){0,3}"
        r"( GMT| [+-][0-9]{1,12}| EST)?",
        fullmatch=True,
    )
)
def test_any_text_is_a_usable_retry_after_or_none(value: str) -> None:
    found = parse_retry_after(value, NOW)

    assert found is None or 0 <= found < float("inf")


@given(st.integers(-(10**6), 10**9), st.integers(-14, 14))
def test_a_date_means_the_same_in_every_time_zone(seconds: int, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    moment = (NOW + timedelta(seconds=seconds)).astimezone(zone)

    assert parse_retry_after(format_datetime(moment), NOW) == max(0.0, float(seconds))
