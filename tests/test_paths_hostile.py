import hashlib
import os
import random
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.errors import BatchError, TmdbAssetsError, UrlListError
from tmdb_assets.list_name import is_name
from tmdb_assets.model import Outcome, OutcomeKind, Settings, Target
from tmdb_assets.settings import from_environment
from tmdb_assets.store import BatchStore
from tmdb_assets.urls import canonical, file_name

TMDB = "https://api.themoviedb.org"

PIECES = [
    *(
        ".",
        "..",
        "/",
        "/../",
        "\\",
        "\0",
        "~",
        "-",
        "-0001",
        "0001",
        "a",
        "B",
        " ",
        "\n",
        "\t",
        "%",
    ),
    *("SIBLING", "%2e%2e%2f", "..%2f", "con", "nul.txt", "aux", "-rf", "--", ".lock", "list.json"),
    *(
        "batches",
        "responses",
        "outcomes.jsonl",
        "receipt.json",
        ".tmp-1-a",
        ".txt",
        ".gz",
        "*",
        "$",
    ),
    *("`id`", "$(id)", ";", "|", "&", ":", "C:", "\xe9", "e\u0301", "\u96e8", "\uff0f", "\uff0e"),
    *("\u202e", "\u200b", "\x7f", "\x1b[2J", "\ud800", "\udcff", "x" * 90, "y" * 300, "z" * 5000),
]
DEPTH = 12
"""Folders between `tmp_path` and the data, so that no text here climbs out of `tmp_path`."""

texts = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text(max_size=40).map(
    lambda text: text.replace("/", "")
)
names_on_disk = st.one_of(texts, st.binary(max_size=60).map(os.fsdecode)).map(
    lambda text: re.sub("[/\0]", "", text)
)
names_of_paths = texts.map(lambda text: re.sub("[\0\ud800-\udfff]", "", text))


BODY = b"{}"


def fetched(target: Target) -> Outcome:
    return Outcome(
        url=target.url,
        name=target.name,
        outcome=OutcomeKind.FETCHED,
        status=200,
        reason="",
        attempts=1,
        bytes=len(BODY),
        sha256=hashlib.sha256(BODY).hexdigest(),
        etag="",
        sent_at=(1.0,),
        seconds=0.1,
    )


class World:
    """A data folder deep in a tree of others, a list to add, and what the tree holds."""

    def __init__(self, root: Path) -> None:
        self._root = root
        folder = root.joinpath(*["deep"] * DEPTH)
        self.sibling = folder / "sibling"
        self.lists = folder / "lists"
        for made in (self.sibling, self.lists, folder / "a", folder / "batches"):
            made.mkdir(parents=True)
            (made / "kept.txt").write_text("/3/movie/1\n/3/movie/2\n")
        self.settings: Settings = from_environment({"TMDB_DATA_DIR": str(folder / "data")})
        self.data = self.settings.data_dir
        self._outside = self._tree()

    def text(self, text: str) -> str:
        """Let what is absolute lead to a sibling of the data and not to the user's own files."""
        text = text.replace("SIBLING", str(self.sibling))
        return f"{self.sibling}{text}" if text.startswith("/") else text

    def inside(self) -> set[str]:
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*")}

    def check(self) -> None:
        """Check that nothing outside of the data folder came, went or changed, and empty it."""
        assert self._tree() == self._outside
        shutil.rmtree(self.data, ignore_errors=True)

    def _tree(self) -> dict[Path, bytes | None]:
        waiting, found = [self._root], dict[Path, bytes | None]()
        while waiting:
            for path in waiting.pop().iterdir():
                if path != self.data:
                    found[path] = None if path.is_dir() else path.read_bytes()
                    waiting.extend([path] if path.is_dir() else [])
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_no_chosen_name_of_a_list_leads_out_of_the_data_folder(world: World) -> None:
    @settings(max_examples=200)
    @given(texts)
    def check(text: str) -> None:
        name = world.text(text)
        try:
            batches.plan(world.lists / "kept.txt", world.settings, name)
            assert world.inside() == set()
            batches.add(world.lists / "kept.txt", world.settings, name)
        except UrlListError:
            assert not is_name(name)
            assert world.inside() == set()
        else:
            folder = f"batches/{name}"
            files = {f"{folder}/list.json", f"{folder}/{name}-0001.txt"}
            assert is_name(name)
            assert world.inside() == {"batches", "batches/.lock", folder, *files}
        world.check()

    check()


def test_no_name_of_a_file_leads_out_of_the_data_folder(world: World) -> None:
    @settings(max_examples=150)
    @given(names_on_disk)
    def check(name: str) -> None:
        path = world.lists / name
        try:
            path.write_text("/3/movie/3\n")
        except (OSError, UnicodeEncodeError):
            return  # no file can have this name
        try:
            added = batches.add(path, world.settings)
        except UrlListError:
            assert world.inside() == set()
        else:
            assert is_name(added.plan.name)
            made = world.inside() - {"batches", "batches/.lock"}
            assert all(f"{one}/".startswith(f"batches/{added.plan.name}/") for one in made)
        finally:
            path.unlink()
        world.check()

    check()


def test_no_partition_key_makes_a_file_anywhere(world: World) -> None:
    batches.add(world.lists / "kept.txt", world.settings)
    before = world.inside()

    @settings(max_examples=300)
    @given(texts, st.sampled_from(["", "-0001", "-0002"]))
    def check(text: str, end: str) -> None:
        key = world.text(text) + end
        for ask in (
            lambda: batches.load(world.data, key),
            lambda: batches.read_list(world.data, key),
            lambda: download_batch(key, world.settings),
        ):
            with pytest.raises(BatchError):
                ask()
        assert world.inside() == before

    check()
    world.check()


def test_no_batch_has_its_files_outside_of_the_data_folder(world: World) -> None:
    @settings(max_examples=120)
    @given(names_of_paths, st.sampled_from(["", "-0001"]))
    def check(text: str, end: str) -> None:
        try:
            with BatchStore(world.data, world.text(text) + end, ()) as store:
                store.seal(1.0)
        except TmdbAssetsError:
            pass
        world.check()

    check()


@pytest.mark.parametrize("name", ["a\0b.txt", "\0", "\ud800/a.txt", "a/\0/../../a.txt"])
def test_a_list_at_a_path_that_no_file_can_have_is_an_error(world: World, name: str) -> None:
    for act in (batches.plan, batches.add):
        with pytest.raises(UrlListError):
            act(world.lists / name, world.settings)
    assert world.inside() == set()


@pytest.mark.parametrize("batch", ["a\0-0001", "\0", "\ud800-0001"])
def test_a_batch_with_a_name_that_no_folder_can_have_is_an_error(world: World, batch: str) -> None:
    with pytest.raises(TmdbAssetsError), BatchStore(world.data, batch, ()):
        pass
    assert world.inside() == set()


def test_no_url_leads_out_of_the_folder_of_its_batch(world: World) -> None:
    path = world.lists / "kept.txt"
    kept = path.read_bytes()

    @settings(max_examples=50)
    @given(st.lists(texts, max_size=8))
    def check(lines: list[str]) -> None:
        spelled = [world.text(line) for line in lines]
        escaped = [quote(line, errors="surrogatepass") for line in spelled]
        tried = [f"/3/{line}" for line in ("movie/1", *spelled, *escaped)]
        tried += [f"{TMDB}/3/x/{line}?{line}" for line in escaped]
        # a NUL makes the whole file no text
        path.write_text("\n".join(tried).replace("\0", ""), errors="surrogatepass")
        (key,) = batches.add(path, world.settings, "urls").all_batches
        targets = batches.load(world.data, key)
        with BatchStore(world.data, key, targets) as store:
            for target in targets:
                store.record(fetched(target), BODY)
            store.seal(1.0)
        path.write_bytes(kept)
        folder, responses = "batches/urls", "responses/urls"
        files = {f"{one.name}.json" for one in targets} | {"outcomes.jsonl", "receipt.json"}
        expected = {folder, f"{folder}/list.json", f"{folder}/{key}.txt", responses}
        expected |= {f"{responses}/{key}", *(f"{responses}/{key}/{file}" for file in files)}
        made = world.inside() - {"batches", "batches/.lock", "responses"}
        assert {one for one in made if not one.endswith("/.lock")} == expected
        world.check()

    check()


def test_twenty_thousand_urls_have_as_many_file_names_whatever_the_file_system() -> None:
    chance = random.Random(550)  # noqa: S311 - repeatable, not secret
    words = [
        "movie",
        "Movie",
        "550",
        "a-b",
        "a.b",
        "a_b",
        "a~b",
        "con",
        "\xe9",
        "\xc9",
        "%2D",
        "v4",
    ]
    words += ["-", "--", "a,b", "a:b", "aux.", "%FF", "%ff", "\u96e8", "x" * 70, "X" * 70, "..."]
    urls: set[str] = set()
    while len(urls) < 20_000:
        path = "/".join(chance.choices(words, k=chance.randint(1, 3)))
        query = "&".join(f"{word}={chance.choice(words)}" for word in chance.choices(words, k=2))
        origin = chance.choice([TMDB, "https://api.tmdb.org"])
        line = f"{origin}/{chance.choice('34')}/{path}?{query if chance.random() < 0.7 else ''}"
        urls.add(canonical(line, [TMDB, "https://api.tmdb.org"]).url)

    names = [file_name(url) for url in urls]

    assert len({name.casefold() for name in names}) == len(urls)
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)
    assert max(map(len, names)) <= 80
    assert not any(name.startswith("-") for name in names)


@given(texts, st.text(max_size=30))
def test_a_file_name_is_plain_whatever_the_path_and_the_query_hold(path: str, query: str) -> None:
    url = f"{TMDB}/3/{quote(path, safe='', errors='surrogatepass')}?q={quote(query, safe='')}"

    name = file_name(url)

    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,79}", name)
    assert name.endswith(hashlib.sha256(url.encode()).hexdigest()[:12])
