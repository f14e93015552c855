import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.opening import open_store
from tmdb_assets.limiter.redis_store import RedisStore
from tmdb_assets.settings import from_environment

WITHOUT_REDIS = """
import sys
sys.modules["redis"] = None  # as where it is not installed
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.limiter.opening import open_store
from tmdb_assets.settings import from_environment
open_store(from_environment({"TMDB_LIMITER": "file:%s"})).close()
try:
    open_store(from_environment({"TMDB_LIMITER": "redis://127.0.0.1:1"}))
except ConfigurationError as error:
    print(error)
"""


def test_the_settings_name_the_store(tmp_path: Path) -> None:
    file = open_store(from_environment({"TMDB_LIMITER": f"file:{tmp_path}/limiter"}))
    redis = open_store(from_environment({"TMDB_LIMITER": "rediss://ada:geheim@127.0.0.1/3"}))

    assert isinstance(file, FileStore)
    assert isinstance(redis, RedisStore)
    assert (file.name, redis.name) == (f"file '{tmp_path}/limiter'", "rediss://127.0.0.1:6379/3")
    file.close()
    redis.close()


def test_another_kind_of_store_is_refused() -> None:
    settings = from_environment({})

    with pytest.raises(ConfigurationError, match=r"'pigeon' is no limiter: set it to file, file:/"):
        open_store(replace(settings, limiter="pigeon:grey"))


def test_a_redis_without_its_package_is_named_with_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_REDIS % (tmp_path / "limiter")],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_SECONDS,
    )

    assert done.stdout == (
        "TMDB_LIMITER names a Redis, but the package for it is not installed: "
        "pip install 'tmdb-assets[redis]'\n"
    )
