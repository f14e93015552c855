import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.file_store import FileStore

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMDB_LIMITER", f"file:{tmp_path / 'limiter'}")
    return tmp_path / "limiter"


@contextmanager
def runs(path: Path, *births: int) -> Iterator[None]:
    """Let runs of these births take permits as fast as they get them."""
    doors = [Door(FileStore(path, 50, born=born), 50) for born in births]
    threads = [threading.Thread(target=_send, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for door in doors:
            door.close()
        for thread in threads:
            thread.join(5)


def _send(door: Door) -> None:
    try:
        while True:
            with door:
                door.permit()
    except LimiterClosedError:
        return


def refuse(path: Path) -> None:
    store = FileStore(path, 50)
    store.refused(time.monotonic_ns(), 0)
    store.close()


def shown(out: str) -> dict[str, str]:
    """Return the rows of the table."""
    cells = [line.strip("│ \n").split("│") for line in out.splitlines() if line.startswith("│")]
    return {name.strip(): value.strip() for name, value in cells}


def test_a_limiter_that_nobody_uses_is_shown_as_it_will_be(
    tmdb_assets: Command, path: Path
) -> None:
    code, out, err = tmdb_assets("limiter", TMDB_REQUESTS_PER_SECOND="40")

    assert (code, err) == (0, "")
    assert shown(out) == {
        "store": f"file '{path}'",
        "cap": "40 requests in any second",
        "present rate": "40.0 requests/s",
        "last second": "0 permits",
        "waiting": "nobody asks",
        "last pause": "none",
    }


def test_who_sends_and_who_waits_is_seen_within_a_second(tmdb_assets: Command, path: Path) -> None:
    eldest, younger = 1_700_000_000_000_000_000, 1_700_000_100_000_000_000
    with runs(path, younger, eldest):
        _wait_for_permits(path)

        _, as_table, _ = tmdb_assets("limiter")
        _, as_json, _ = tmdb_assets("limiter", "--json")

    rows, said = shown(as_table), json.loads(as_json)
    assert rows["waiting"].startswith("1 run, behind the older one of ")
    assert 25 <= int(rows["last second"].removesuffix(" permits")) <= 50
    assert 25 <= said["last_second"] <= 50
    assert (said["waiting"], said["cap"], said["pause_seconds"]) == (1, 50, 0)
    assert said["runs"] == ["2023-11-14T22:13:20+00:00", "2023-11-14T22:15:00+00:00"]


def _wait_for_permits(path: Path) -> None:
    looking = FileStore(path, 50)
    for _ in range(200):
        if looking.pace().permits > 5:
            break
        time.sleep(0.05)
    looking.close()


def test_a_429_is_seen_in_the_limiter_and_in_the_status(tmdb_assets: Command, path: Path) -> None:
    Path("movies.txt").write_text("/movie/1\n")
    tmdb_assets("add", "movies.txt")
    refuse(path)

    _, status, _ = tmdb_assets("status")
    _, status_json, _ = tmdb_assets("status", "--json")
    _, out, _ = tmdb_assets("limiter")

    assert "present rate: 42.5 requests/s after a 429, back at 50 in 0:02:3" in status
    assert "everybody pauses for 1 s more after a 429" in status
    assert json.loads(status_json)["limiter_requests_per_second"] == 42.5
    assert 0 < json.loads(status_json)["limiter_pause_seconds"] <= 1
    assert shown(out)["last pause"] == "1 s, over since 0:00:00"


def test_a_reset_asks_first_and_then_forgets_the_slower_rate(
    tmdb_assets: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(path)

    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    no = tmdb_assets("limiter", "--reset")
    _, still, _ = tmdb_assets("limiter", "--json")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    yes = tmdb_assets("limiter", "--reset", "--json")

    assert (no[0], yes[0]) == (1, 0)
    assert f"Forget pauses and the slower rate of file '{path}', for all who share it?" in no[2]
    assert json.loads(still)["last_pause_seconds"] == 1
    assert (json.loads(yes[1])["requests_per_second"]) == 50


@pytest.mark.parametrize("command", ["limiter", "run"])
def test_a_redis_that_is_not_there_is_named_at_once_and_without_its_password(
    tmdb_assets: Command, command: str
) -> None:
    Path("movies.txt").write_text("/movie/1\n")
    arguments = ["movies.txt"] if command == "run" else []

    code, _, err = tmdb_assets(
        command,
        *arguments,
        TMDB_LIMITER="redis://ada:geheim@127.0.0.1:1/0",
        TMDB_ALLOWED_ORIGINS="http://127.0.0.1:1",
    )

    assert code == 2
    assert err == (
        "tmdb-assets: limiter redis://127.0.0.1:1/0: Connection refused: "
        "start or mend that Redis, or set TMDB_LIMITER to another store\n"
    )
    assert not Path("data/batches").exists()


def test_status_is_shown_without_a_limiter_too(tmdb_assets: Command) -> None:
    Path("movies.txt").write_text("/movie/1\n")
    tmdb_assets("add", "movies.txt")

    code, out, _ = tmdb_assets("status", TMDB_LIMITER="redis://127.0.0.1:1/0")

    assert code == 0
    assert "the limiter cannot be read: tmdb-assets limiter says why" in out
