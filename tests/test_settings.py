from pathlib import Path

import pytest

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Credential, Settings
from tmdb_assets.settings import from_environment, require_credential

TMDB = "https://api.themoviedb.org"
LOOPBACK = "http://127.0.0.1:8000"
NAMES = (
    "TMDB_READ_ACCESS_TOKEN",
    "TMDB_API_KEY",
    "TMDB_REQUESTS_PER_SECOND",
    "TMDB_LIMITER",
    "TMDB_THREADS",
    "TMDB_BATCH_SIZE",
    "TMDB_DATA_DIR",
    "TMDB_URL_LISTS_DIR",
    "TMDB_ALLOWED_ORIGINS",
    "TMDB_TIMEOUT_SECONDS",
    "TMDB_MAX_ATTEMPTS",
    "TMDB_OUTAGE_SECONDS",
    "TMDB_MAX_BODY_MIB",
    "TMDB_MAX_FAILED_SHARE",
)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_environment({"HOME": "/home/ada"})

    assert settings == Settings(
        data_dir=Path("data"),
        url_lists_dir=Path("url_lists"),
        origins=(TMDB,),
        credential=None,
        requests_per_second=50,
        limiter=settings.limiter,
        limiter_key=settings.limiter_key,
        threads=160,
        batch_size=2000,
        timeout_seconds=30.0,
        max_attempts=6,
        outage_seconds=600.0,
        max_body_bytes=16 * 1024 * 1024,
        max_failed_share=0.1,
    )


def test_an_empty_variable_counts_as_unset() -> None:
    assert from_environment(dict.fromkeys(NAMES, "")) == from_environment({})


def test_every_variable_is_heeded() -> None:
    given = "k3y 500 redis://h:1/2 8 100 /d u"
    values = ("", *given.split(), LOOPBACK, "1.5", "1", "1.5", "2", "0.25")

    found = from_environment(dict(zip(NAMES, values, strict=True)))

    assert found == Settings(
        data_dir=Path("/d"),
        url_lists_dir=Path("u"),
        origins=(LOOPBACK,),
        credential=Credential("k3y", is_token=False),
        requests_per_second=500,
        limiter="redis://h:1/2",
        limiter_key=found.limiter_key,
        threads=8,
        batch_size=100,
        timeout_seconds=1.5,
        max_attempts=1,
        outage_seconds=1.5,
        max_body_bytes=2 * 1024 * 1024,
        max_failed_share=0.25,
    )


def test_the_token_wins_over_the_key() -> None:
    found = from_environment({"TMDB_READ_ACCESS_TOKEN": "t0ken", "TMDB_API_KEY": "k3y"})

    assert found.credential == Credential("t0ken", is_token=True)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("TMDB_REQUESTS_PER_SECOND", 1, 50),
        ("TMDB_THREADS", 1, 1024),
        ("TMDB_BATCH_SIZE", 100, 20_000),
        ("TMDB_TIMEOUT_SECONDS", 1, 600),
        ("TMDB_MAX_ATTEMPTS", 1, 20),
        ("TMDB_OUTAGE_SECONDS", 1, 86_400),
        ("TMDB_MAX_BODY_MIB", 1, 1024),
        ("TMDB_MAX_FAILED_SHARE", 0, 1),
    ],
)
def test_bounds_are_allowed_and_what_lies_beyond_is_refused(
    name: str, least: int, most: int
) -> None:
    from_environment({name: str(least)})
    from_environment({name: f" {most} "})

    for value in (least - 1, most + 1):
        with pytest.raises(
            ConfigurationError, match=rf"{name} is '?{value}\b.*: set it to {least} "
        ):
            from_environment({name: str(value)})


@pytest.mark.parametrize("name", ["TMDB_REQUESTS_PER_SECOND", "TMDB_THREADS", "TMDB_MAX_BODY_MIB"])
@pytest.mark.parametrize("value", ["many", "1.5", "1e1", "1_0", "0x1", "٣", "-", " ", "9" * 10])
def test_what_is_no_whole_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is .*, which is not a whole number: set"):
        from_environment({name: value})


@pytest.mark.parametrize("value", ["nan", "inf", "1e2", "30s", ".5", "1."])
def test_what_is_no_number_is_no_timeout(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TMDB_TIMEOUT_SECONDS is .* not a number: set"):
        from_environment({"TMDB_TIMEOUT_SECONDS": value})


@pytest.mark.parametrize("value", ["1.000000001", "-0.1", "10", "10%", ".5", "half", "nan", "1/2"])
def test_what_is_no_share_is_refused(value: str) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"TMDB_MAX_FAILED_SHARE is .*: set it to 0 to 1 \(as a share of a batch\), "
        r"or unset it for 0\.1$",
    ):
        from_environment({"TMDB_MAX_FAILED_SHARE": value})


@pytest.mark.parametrize(("value", "share"), [("0", 0.0), ("1.0", 1.0), ("0.015", 0.015)])
def test_a_share_may_be_any_from_none_to_all(value: str, share: float) -> None:
    assert from_environment({"TMDB_MAX_FAILED_SHARE": value}).max_failed_share == share


@pytest.mark.parametrize(
    "origins",
    [
        "https://api.themoviedb.org",
        f"{LOOPBACK},https://API.TMDB.org.:8443",
    ],
)
def test_more_than_tmdb_allows_is_refused_when_any_origin_is_tmdbs(origins: str) -> None:
    with pytest.raises(ConfigurationError, match="TMDB_REQUESTS_PER_SECOND is 51, above TMDB's"):
        from_environment({"TMDB_ALLOWED_ORIGINS": origins, "TMDB_REQUESTS_PER_SECOND": "51"})


def test_origins_are_canonical_distinct_and_in_order() -> None:
    text = (
        f" {LOOPBACK} ,HTTPS://API.themoviedb.org:443, {TMDB},,http://[0::1]:9,http://localhost:80"
    )

    found = from_environment({"TMDB_ALLOWED_ORIGINS": text})

    assert found.origins == (LOOPBACK, TMDB, "http://[::1]:9", "http://localhost")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" , ", "names no origin: set it to"),
        ("api.themoviedb.org", "has 'api.themoviedb.org', not of the form"),
        (f"{TMDB}/", "not of the form https://host"),
        (f"{TMDB}/3", "not of the form https://host"),
        ("ftp://localhost", "not of the form https://host"),
        ("https://", "not of the form https://host"),
        ("https://a..b", "not of the form https://host"),
        ("https://host:0", "its port is not within"),
        ("https://host:65536", "its port is not within"),
        ("https://host:x", "not of the form https://host"),
        ("https://[::g]", "not of the form https://host"),
        ("https://[1:2]", "not an IPv6 address"),
        ("http://api.themoviedb.org", "where a token would travel in clear: write https"),
        ("http://10.0.0.1", "where a token would travel in clear: write https"),
        ("http://127.0.0.1.nip.io", "where a token would travel in clear: write https"),
    ],
)
def test_a_bad_origin_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match="TMDB_ALLOWED_ORIGINS") as caught:
        from_environment({"TMDB_ALLOWED_ORIGINS": text})

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TMDB_ALLOWED_ORIGINS", "https://me:s3cret@host"),
        ("TMDB_ALLOWED_ORIGINS", "https://host?api_key=s3cret"),
        ("TMDB_LIMITER", "http://:s3cret@host"),
        ("TMDB_READ_ACCESS_TOKEN", "s3cret\n"),
        ("TMDB_READ_ACCESS_TOKEN", "Bearer s3cret"),
        ("TMDB_READ_ACCESS_TOKEN", "s3cret\x00"),
        ("TMDB_API_KEY", "s3cret "),
        ("TMDB_API_KEY", "s3cretß"),
    ],
)
def test_no_message_shows_a_secret(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        from_environment({name: value})

    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "file:/var/lib/limiter",
        "redis://localhost",
        "redis://localhost:6379/0",
        "rediss://user:pw@host:6380/1",
        "rediss://host/0?ssl_ca_certs=/etc/our-ca.pem",
    ],
)
def test_these_name_a_store_of_the_limiter(text: str) -> None:
    assert from_environment({"TMDB_LIMITER": text}).limiter == text


@pytest.mark.parametrize(
    "text",
    [
        "memory",
        "file:",
        "file:relative",
        "file:/",
        "file://host/x",
        "redis:",
        "redis://",
        "redis://host:0",
        "redis://host:x/0",
        "redis://[::1/0",
        "redis://host/db",
        "http://host",
        "redis://host/0#1",
    ],
)
def test_nothing_else_names_a_store_of_the_limiter(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TMDB_LIMITER is '.*: set it to file, file:/abs"):
        from_environment({"TMDB_LIMITER": text})


def test_an_authority_is_for_tls_only() -> None:
    with pytest.raises(ConfigurationError, match="which names no store"):
        from_environment({"TMDB_LIMITER": "redis://host/0?ssl_ca_certs=/ca.pem"})


@pytest.mark.parametrize(
    "query",
    [
        "socket_timeout=1000",
        "ssl_cert_reqs=none",
        "password=geheim",
        "ssl_ca_certs=relative.pem",
        "ssl_ca_certs=/ca.pem&ssl_cert_reqs=none",
    ],
)
def test_an_address_cannot_switch_off_bounds_and_checks_of_the_limiter(query: str) -> None:
    with pytest.raises(ConfigurationError, match="which names no store") as caught:
        from_environment({"TMDB_LIMITER": f"rediss://host/0?{query}"})

    assert "geheim" not in str(caught.value)


def test_tmdb_needs_a_credential_and_the_stand_in_does_not() -> None:
    without = from_environment({"TMDB_ALLOWED_ORIGINS": f"{LOOPBACK},{TMDB}"})
    having = from_environment({"TMDB_API_KEY": "k3y"})

    require_credential(without, [LOOPBACK])
    require_credential(having, [TMDB])
    with pytest.raises(ConfigurationError, match=r"^set TMDB_READ_ACCESS_TOKEN: "):
        require_credential(without, {LOOPBACK, TMDB})


def test_the_limiter_lies_in_the_state_folder_of_the_user_wherever_a_command_is_started() -> None:
    at_home = from_environment({"HOME": "/home/ada"}).limiter
    with_state = from_environment({"HOME": "/home/ada", "XDG_STATE_HOME": "/state"}).limiter
    with_relative_state = from_environment({"HOME": "/home/ada", "XDG_STATE_HOME": "state"}).limiter

    assert at_home.startswith("file:/home/ada/.local/state/tmdb_assets/limiter-")
    assert with_state.startswith("file:/state/tmdb_assets/limiter-")
    assert with_relative_state == at_home


def test_one_credential_has_one_limiter_and_another_has_another() -> None:
    ada = {"HOME": "/h", "TMDB_READ_ACCESS_TOKEN": "ada"}
    bob = {"HOME": "/h", "TMDB_READ_ACCESS_TOKEN": "bob"}
    mirrors = "https://api.themoviedb.org,https://mirror.example.org"

    assert from_environment(ada).limiter == from_environment(dict(ada)).limiter
    assert from_environment(ada).limiter != from_environment(bob).limiter
    assert (
        from_environment({**ada, "TMDB_ALLOWED_ORIGINS": mirrors}).limiter
        == from_environment(ada).limiter
    )
    assert "ada" not in from_environment(ada).limiter


def test_over_redis_too_one_credential_has_one_limiter_whatever_the_cap() -> None:
    ada = {"TMDB_LIMITER": "redis://host", "TMDB_READ_ACCESS_TOKEN": "ada"}
    bob = {**ada, "TMDB_READ_ACCESS_TOKEN": "bob"}
    slow = {**ada, "TMDB_REQUESTS_PER_SECOND": "40"}
    at_home = {"HOME": "/h", "TMDB_READ_ACCESS_TOKEN": "ada"}

    key = from_environment(ada).limiter_key

    assert key == from_environment(slow).limiter_key != from_environment(bob).limiter_key
    assert from_environment(at_home).limiter == f"file:/h/.local/state/tmdb_assets/{key}"
    assert "ada" not in key


def test_the_address_of_a_limiter_shows_in_no_repr() -> None:
    settings = from_environment({"TMDB_LIMITER": "redis://:geheim@localhost"})

    assert "geheim" not in repr(settings)
