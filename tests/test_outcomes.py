import json
import tempfile
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.errors import BatchError
from tmdb_assets.model import OUTCOME_FORMAT, Outcome, OutcomeKind
from tmdb_assets.outcomes import OutcomeReader, decode, encode

OUTCOME = Outcome(
    url="https://api.themoviedb.org/3/movie/550?language=de-DE",
    name="movie-550-1f0c9a2b3c4d",
    outcome=OutcomeKind.FETCHED,
    status=200,
    reason="",
    attempts=2,
    bytes=4,
    sha256="4f" * 32,
    etag='W/"9a"',
    sent_at=(1_767_225_600.000001, 1_767_225_602.5),
    seconds=2.25,
)

moments = st.integers(0, 4_000_000_000_000_000).map(lambda microseconds: microseconds / 1e6)
durations = st.integers(0, 600_000_000).map(lambda microseconds: microseconds / 1e6)
any_outcome = st.builds(
    Outcome,
    url=st.text(),
    name=st.text(),
    outcome=st.sampled_from(OutcomeKind),
    status=st.none() | st.integers(100, 599),
    reason=st.text(),
    attempts=st.integers(0, 99),
    bytes=st.integers(0, 2**40),
    sha256=st.text(),
    etag=st.text(),
    sent_at=st.lists(moments, max_size=5).map(tuple),
    seconds=durations,
)


def changed(**fields: object) -> bytes:
    """Return the line of an outcome with some fields changed."""
    return json.dumps({**json.loads(encode(OUTCOME)), **fields}).encode() + b"\n"


@given(any_outcome)
def test_an_outcome_is_one_line_and_comes_back_as_it_was(outcome: Outcome) -> None:
    line = encode(outcome)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == outcome


def test_a_line_is_what_the_documentation_of_the_format_says() -> None:
    line = encode(OUTCOME)

    fields = json.loads(line)
    assert line.startswith(b'{"format":2,"url":"https://api.themoviedb.org/3/movie/550?lang')
    assert fields["sent_at"] == [
        "2026-01-01T00:00:00.000001+00:00",
        "2026-01-01T00:00:02.500000+00:00",
    ]
    assert fields["outcome"] == "fetched"
    assert list(fields) == [
        *("format", "url", "name", "outcome", "status", "reason", "attempts", "bytes", "sha256"),
        *("etag", "sent_at", "seconds", "as_of", "combined_with"),
    ]


def test_a_line_of_format_1_is_as_of_its_last_request() -> None:
    fields = json.loads(encode(OUTCOME)) | {"format": 1}
    del fields["as_of"], fields["combined_with"]
    line = json.dumps(fields).encode()

    assert decode(line) == replace(OUTCOME, as_of=OUTCOME.sent_at[-1])
    assert decode(json.dumps(fields | {"sent_at": []}).encode()).as_of == 0.0


def test_a_field_of_a_later_minor_version_does_not_matter() -> None:
    assert decode(changed(mirror="eu")) == OUTCOME


def test_a_newer_format_is_refused_with_the_remedy() -> None:
    with pytest.raises(BatchError, match=r"format 3 .* newer tmdb-assets: update this one"):
        decode(changed(format=OUTCOME_FORMAT + 1))


NO_OUTCOMES = {
    "nothing": b"\n",
    "no JSON": b"<html>\n",
    "no UTF-8": b'{"url":"\xff"}\n',
    "NUL bytes": b"\0" * 4096 + b"\n",
    "a list": b"[]\n",
    "no fields": b"{}\n",
    "an unknown outcome": changed(outcome="eaten"),
    "a count that is text": changed(attempts="many"),
    "a count that is null": changed(bytes=None),
    "moments that are no list": changed(sent_at=5),
    "moments that are numbers": changed(sent_at=[5]),
    "a moment that is none": changed(sent_at=["yesterday"]),
    "a torn line and the next one": encode(OUTCOME)[:40] + encode(OUTCOME),
    "an infinite count": changed(attempts=float("inf")),
    "a duration beyond all numbers": changed(seconds=10**400),
    "brackets without end": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("line", NO_OUTCOMES.values(), ids=NO_OUTCOMES.keys())
def test_a_line_that_is_no_outcome_is_counted_and_does_not_hide_the_others(
    tmp_path: Path, line: bytes
) -> None:
    path = tmp_path / "outcomes.jsonl"
    last = replace(OUTCOME, outcome=OutcomeKind.ABSENT)
    path.write_bytes(encode(OUTCOME) + line + encode(last))
    reader = OutcomeReader(path)

    read = list(reader.new())

    assert read == [OUTCOME, last]
    assert reader.unreadable == 1


def test_without_a_file_there_are_no_outcomes_until_there_is_one(tmp_path: Path) -> None:
    reader = OutcomeReader(tmp_path / "outcomes.jsonl")

    before = list(reader.new())
    (tmp_path / "outcomes.jsonl").write_bytes(encode(OUTCOME))
    after = list(reader.new())

    assert before == []
    assert after == [OUTCOME]


def test_a_line_without_its_end_says_nothing_until_the_end_arrives(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    reader = OutcomeReader(path)
    path.write_bytes(encode(OUTCOME)[:-1])

    before = list(reader.new())
    with path.open("ab") as file:
        file.write(b"\n")
    after = list(reader.new())

    assert before == []
    assert after == [OUTCOME]
    assert reader.unreadable == 0


def test_a_line_that_was_cut_off_and_written_anew_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    reader = OutcomeReader(path)
    path.write_bytes(encode(OUTCOME) + encode(OUTCOME)[:30])
    again = replace(OUTCOME, attempts=7)

    before = list(reader.new())
    path.write_bytes(encode(OUTCOME) + encode(again))
    after = list(reader.new())

    assert before == [OUTCOME]
    assert after == [again]


def test_a_reader_that_is_left_half_way_goes_on_from_there(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    written = [replace(OUTCOME, attempts=number) for number in range(3)]
    path.write_bytes(b"".join(map(encode, written)))
    reader = OutcomeReader(path)

    first = next(reader.new())
    rest = list(reader.new())

    assert [first, *rest] == written


@given(st.lists(any_outcome, max_size=8), st.lists(st.integers(0, 4000)))
def test_each_outcome_is_read_once_however_the_file_grows(
    outcomes: list[Outcome], cuts: list[int]
) -> None:
    content = b"".join(map(encode, outcomes))
    places = sorted({min(cut, len(content)) for cut in cuts} | {len(content)})
    read = []

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.jsonl"
        reader = OutcomeReader(path)
        for place in places:
            path.write_bytes(content[:place])
            read.append(list(reader.new()))

    assert list(chain.from_iterable(read)) == outcomes
    assert reader.unreadable == 0
    assert [len(some) for some in read] == [
        content[:place].count(b"\n") - content[:before].count(b"\n")
        for before, place in zip([0, *places], places, strict=False)
    ]


def test_a_newer_format_half_way_stops_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(encode(OUTCOME) + changed(format=OUTCOME_FORMAT + 1))

    with pytest.raises(BatchError, match="update this one"):
        list(OutcomeReader(path).new())


def test_a_file_that_cannot_be_read_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        list(OutcomeReader(tmp_path).new())
