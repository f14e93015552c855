"""What cannot be downloaded is named: before anything is sent, or once the key is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.download.place import BATCH, THREADS, place, quick
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.errors import (
    BatchBusyError,
    BatchError,
    ConfigurationError,
    CredentialError,
    LimiterUnavailableError,
    StoreError,
)
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.server import StandIn
from tmdb_assets.store import BatchStore


def test_an_origin_that_is_not_allowed_any_more_is_not_asked(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        elsewhere = replace(films.settings, origins=("http://127.0.0.1:9",))

        with pytest.raises(
            ConfigurationError, match=f"'{BATCH}' was frozen for {server.origin}, which TMDB_"
        ):
            download_batch(BATCH, elsewhere)

        assert server.statistics()["arrivals"] == 0
    assert not films.responses.exists()


def test_tmdb_is_not_asked_without_a_token(tmp_path: Path) -> None:
    limiter = tmp_path / "limiter"
    path = tmp_path / "films.txt"
    path.write_text("/movie/550\n")
    settings = from_environment(
        {"TMDB_DATA_DIR": str(tmp_path / "data"), "TMDB_LIMITER": f"file:{limiter}"}
    )
    (batch,) = batches.add(path, settings).all_batches

    with pytest.raises(ConfigurationError, match="set TMDB_READ_ACCESS_TOKEN: TMDB answers nobody"):
        download_batch(batch, settings)

    assert not batch_folder(settings.data_dir, batch).exists()
    assert not limiter.exists()


def test_too_many_threads_for_this_system_are_refused_before_anything_is_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        with pytest.raises(ConfigurationError, match=r"threads need .* open files, this sy"):
            download_batch(BATCH, replace(films.settings, threads=2**40))

        assert server.statistics()["arrivals"] == 0


def test_a_key_that_is_refused_ends_the_run_at_once_and_keeps_what_came_before(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(token="a-token", refuse_after=50)) as server:  # noqa: S106 - not a secret
        films = place(tmp_path, server.origin, limiter, 300, "a-token")

        with pytest.raises(CredentialError, match="check TMDB_READ_ACCESS_TOKEN") as caught:
            download_batch(BATCH, films.settings)

        assert 50 <= int(str(server.statistics()["arrivals"])) <= 49 + THREADS
    true_bodies = films.true_bodies()
    assert "a-token" not in str(caught.value)
    assert len(films.outcomes()) == 49
    assert films.bodies().items() <= true_bodies.items()
    assert not (films.responses / "receipt.json").exists()


@pytest.mark.parametrize("name", ["films-stand-in-0002", "flims-0001", "films", f"../{BATCH}", ""])
def test_a_batch_that_is_not_there_is_named(tmp_path: Path, limiter: Path, name: str) -> None:
    films = place(tmp_path, "http://127.0.0.1:9", limiter, 100)

    with pytest.raises(BatchError, match=r"`tmdb-assets status` shows all"):
        download_batch(name, films.settings)


def test_a_batch_that_another_run_has_is_not_asked_for_twice(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        busy = pytest.raises(BatchBusyError, match=f"'{BATCH}' is being downloaded by another")

        with BatchStore(films.settings.data_dir, BATCH, films.targets), busy:
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
        assert download_batch(BATCH, films.settings).urls == 100


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        films.responses.parent.mkdir(parents=True)
        films.responses.touch()

        with pytest.raises(StoreError, match=r"in-0001': File exists: set TMDB_DATA_DIR to a"):
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0


def test_without_a_limiter_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "limiter").mkdir()
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, tmp_path / "limiter", 100)

        with pytest.raises(LimiterUnavailableError, match="limiter': Is a directory"):
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
