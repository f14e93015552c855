import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tmdb_assets.standin.samples import NO_SAMPLES, load

BODY = b'{"id":550,"title":"Recorded by nobody"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        (tmp_path / "550.json").write_bytes(BODY)
        entry = {
            "file": "550.json",
            "method": "GET",
            "path": "/3/movie/550",
            "query": "language=en&append_to_response=credits%2Cimages",
            "status": 203,
            "headers": {"Content-Type": "application/json; charset=utf-8"},
            "sha256": hashlib.sha256(BODY).hexdigest(),
        } | changes
        kept = {name: value for name, value in entry.items() if value is not ...}
        (tmp_path / "index.jsonl").write_text(f"\n{json.dumps(kept)}\n", encoding="utf-8")
        return tmp_path

    return write


def test_a_recorded_response_is_found_whatever_the_order_of_the_query(
    folder: Callable[..., Path],
) -> None:
    samples = load(folder())

    answer = samples.find("/3/movie/550", "append_to_response=credits,images&language=en")

    assert answer is not None
    assert (answer.status, answer.body) == (203, BODY)
    assert answer.headers[0] == (b"content-type", b"application/json; charset=utf-8")
    assert len(samples) == 1


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/3/movie/550", "append_to_response=credits,images"),
        ("/3/movie/550", "append_to_response=credits,images&language=de"),
        ("/3/movie/550", ""),
        ("/3/movie/551", "append_to_response=credits,images&language=en"),
    ],
)
def test_another_request_finds_nothing(folder: Callable[..., Path], path: str, query: str) -> None:
    assert load(folder()).find(path, query) is None


def test_without_recorded_responses_nothing_is_found() -> None:
    assert NO_SAMPLES.find("/3/movie/550", "") is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"file": ...}, "line 2 of .* is unusable: KeyError"),
        ({"path": ...}, "line 2 of .* is unusable: KeyError"),
        ({"status": "ok"}, "line 2 of .* is unusable: ValueError"),
        ({"status": 99}, "status 99 is no final status of HTTP"),
        ({"sha256": "0"}, "differs from its sha256"),
        ({"file": "../550.json"}, "is outside the folder"),
        ({"headers": "none"}, "line 2 of .* is unusable: AttributeError"),
    ],
)
def test_a_bad_line_is_named(
    folder: Callable[..., Path], changes: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        load(folder(**changes))

    assert "\n" not in str(caught.value)


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text("{nonsense\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"line 1 of .*index\.jsonl' is unusable"):
        load(tmp_path)


def test_a_missing_folder_index_or_file_is_named(
    tmp_path: Path, folder: Callable[..., Path]
) -> None:
    with pytest.raises(FileNotFoundError, match=r"it has no index\.jsonl"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"gone\.json' is missing"):
        load(folder(file="gone.json"))
