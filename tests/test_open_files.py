import resource
import subprocess
import sys

from tmdb_assets import open_files

ENSURE = """
import resource, sys
from tmdb_assets import open_files
from tmdb_assets.errors import ConfigurationError
soft, hard, threads = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    said = open_files.ensure(threads)
except ConfigurationError as error:
    said = error
print(said, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def ensured(soft: int, hard: int, threads: int) -> str:
    command = [sys.executable, "-c", ENSURE, str(soft), str(hard), str(threads)]
    return subprocess.check_output(command, text=True).strip()


def test_a_low_soft_limit_is_raised_to_what_is_needed() -> None:
    assert ensured(soft=100, hard=400, threads=160) == "288 288"


def test_a_limit_that_is_just_high_enough_is_left_alone() -> None:
    assert ensured(soft=288, hard=400, threads=160) == "288 288"


def test_a_hard_limit_that_is_just_high_enough_is_used_up() -> None:
    assert ensured(soft=100, hard=288, threads=160) == "288 288"


def test_a_low_hard_limit_is_told_with_both_ways_out_and_nothing_is_changed() -> None:
    said = ensured(soft=100, hard=200, threads=160)

    assert said == (
        "160 threads need 288 open files, this system allows 200: raise it (ulimit -Hn 288) "
        "or set TMDB_THREADS to 72 or less 100"
    )


def test_a_limit_with_room_stays_as_it_is() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    limit = open_files.ensure(threads=1)

    assert limit == before[0]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
