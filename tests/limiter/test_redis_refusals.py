"""A real Redis that is there and says no: who is told what, how soon, and what nobody is told."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.servers import Certificate, deaf_port, make_certificate
from tests.limiter.redis_server import CAP, KEY, Crowd, RedisServer
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.redis_store import RedisStore
from tmdb_assets.limiter.slots import MS

PASSWORD = "s3cret-of-the-tests"  # noqa: S105 - of a server that lives for a test
RIGHTS = [
    *("+evalsha", "+script|load", "+info", "+time"),
    *("+hmget", "+hset", "+pexpire"),
]

Open = Callable[..., RedisStore]


class ToldStore(RedisStore):
    """A store to which Redis always answers with this error."""

    def __init__(self, address: str, error: str) -> None:
        super().__init__(address, KEY, CAP)
        self._script = self._redis.register_script(f"return redis.error_reply({error!r})")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> Iterator[RedisServer]:
    """A server that needs a password; what a test configures is undone."""
    running.command("FLUSHALL")
    running.command("SCRIPT", "FLUSH")
    running.end_silence()
    yield running
    running.command("CONFIG", "SET", "maxmemory", "0")
    running.command("REPLICAOF", "NO", "ONE")


@pytest.fixture
def open_store() -> Iterator[Open]:
    """Open stores that are closed in the end."""
    stores: list[RedisStore] = []

    def open_(address: str, patience_seconds: float = 60.0) -> RedisStore:
        stores.append(RedisStore(address, KEY, CAP, patience_seconds=patience_seconds))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "IP:127.0.0.1")


def failure_of(store: RedisStore) -> LimiterUnavailableError:
    """Have a booking fail."""
    with pytest.raises(LimiterUnavailableError) as caught:
        store.book()
    with pytest.raises(LimiterUnavailableError) as again:
        store.book()
    assert again.value is caught.value
    return caught.value


def failure_at_once(store: RedisStore) -> str:
    began_at = time.monotonic()
    failure = failure_of(store)
    assert time.monotonic() - began_at < 1
    return str(failure)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_told_at_once(
    server: RedisServer, open_store: Open, password: str
) -> None:
    told = failure_at_once(open_store(server.address(password=password)))

    assert told == (
        f"limiter redis://127.0.0.1:{server.port}/0: it refuses user or password: check user and "
        "password in TMDB_LIMITER, and that the user may run EVALSHA, SCRIPT LOAD, INFO, TIME, "
        "HMGET, HSET and PEXPIRE on the limiter's key"
    )


def test_looking_tells_the_same(server: RedisServer, open_store: Open) -> None:
    store = open_store(server.address(password=""))

    with pytest.raises(LimiterUnavailableError, match="refuses user or password: check user"):
        store.pace()


def test_user_and_password_may_be_percent_encoded(server: RedisServer, open_store: Open) -> None:
    server.command("ACL", "SETUSER", "us:er@x", "reset", "on", ">p@s:s/w#o?rd%", "~*", "+@all")

    store = open_store(server.address("us%3Aer%40x", "p%40s%3As%2Fw%23o%3Frd%25"))

    assert store.book()[0] is not None
    assert store.name == f"redis://127.0.0.1:{server.port}/0"


def test_the_rights_that_the_message_names_are_enough(
    server: RedisServer, open_store: Open
) -> None:
    server.command("ACL", "SETUSER", "least", "reset", "on", ">x", f"~{KEY}", *RIGHTS)
    store = open_store(server.address("least", "x"))

    assert store.book()[0] is not None
    assert store.refused(store.now_ns(), 0).is_news
    store.write_back(10 * MS)
    store.reset()
    assert not store.pace().is_slowed


@pytest.mark.parametrize("missing", RIGHTS)
def test_a_user_who_lacks_a_right_is_told_at_once(
    server: RedisServer, open_store: Open, missing: str
) -> None:
    rights = [right for right in RIGHTS if right != missing]
    server.command("ACL", "SETUSER", "less", "reset", "on", ">x", f"~{KEY}", *rights)

    told = failure_at_once(open_store(server.address("less", "x")))

    assert "the user may not do what the limiter needs: check user and password" in told
    assert missing.strip("+").replace("|", " ").upper() in told


@pytest.mark.parametrize(
    "words",
    [
        "ACL failure in script: User less has no permissions to run the 'info' command",
        "The user executing the script can't run this command or subcommand",
        "The user executing the script can't access at least one of the keys mentioned",
    ],
)
def test_the_words_of_every_redis_for_a_missing_right_are_known(
    server: RedisServer, words: str
) -> None:
    store = ToldStore(server.address(), f"ERR {words}")

    assert "the user may not do what the limiter needs" in failure_at_once(store)
    store.close()


def test_a_user_of_other_keys_is_told_at_once(server: RedisServer, open_store: Open) -> None:
    server.command("ACL", "SETUSER", "other", "reset", "on", ">x", "~other:*", "+@all")

    told = failure_at_once(open_store(server.address("other", "x")))

    assert "the user may not do what the limiter needs" in told


def test_a_user_who_loses_his_rights_stops_everybody(server: RedisServer, open_store: Open) -> None:
    server.command("ACL", "SETUSER", "guest", "reset", "on", ">x", "~*", "+@all")
    store = open_store(server.address("guest", "x"))

    with Crowd([Door(store, CAP)], threads=16) as crowd:
        crowd.wait_for(5)
        server.command("ACL", "SETUSER", "guest", "-hset")
        crowd.wait_until_gone()

    assert len({error for _, error in crowd.errors}) == 1
    assert "may not do" in str(crowd.errors[0][1])


def test_a_replica_gives_no_permit_until_it_is_the_primary(
    server: RedisServer, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(server.address())
    with deaf_port() as port, Crowd([Door(store, CAP)]) as crowd:
        crowd.wait_for(5)
        server.command("REPLICAOF", "127.0.0.1", port)
        time.sleep(0.2)  # what was booked leaves
        replica_ns = time.monotonic_ns()
        time.sleep(0.3)
        assert max(crowd.departures) < replica_ns
        server.command("REPLICAOF", "NO", "ONE")
        crowd.wait_for(5, after_ns=time.monotonic_ns())
        assert crowd.errors == []

    assert "it is read-only, as replicas are: nothing is sent until it answers" in caplog.text


def test_a_replica_for_good_is_told_at_the_bound(server: RedisServer, open_store: Open) -> None:
    with deaf_port() as port:
        server.command("REPLICAOF", "127.0.0.1", port)

        told = str(failure_of(open_store(server.address(), patience_seconds=0.2)))

    assert "it is read-only, as replicas are, for 0.2 s: start or mend that Redis" in told


def test_a_full_redis_gives_no_permit_and_is_told_at_the_bound(
    server: RedisServer, open_store: Open
) -> None:
    store = open_store(server.address(), patience_seconds=0.5)

    with Crowd([Door(store, CAP)], threads=32) as crowd:
        crowd.wait_for(5)
        server.command("CONFIG", "SET", "maxmemory", "1")
        full_ns = time.monotonic_ns()
        crowd.wait_until_gone()

    assert max(crowd.departures) < full_ns + 100 * MS
    assert len({error for _, error in crowd.errors}) == 1
    assert "it is out of memory (maxmemory), for 0.5 s: start or mend" in str(crowd.errors[0][1])


def test_a_redis_that_cannot_save_gives_no_permit_and_says_why(
    tmp_path: Path, open_store: Open
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with RedisServer(tmp_path, save="3600 1", dir=str(gone)) as server:
        gone.rmdir()
        server.command("SET", "some", "change")
        server.command("BGSAVE")
        deadline = time.monotonic() + 5
        while server.command("INFO", "persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < deadline
            time.sleep(0.01)

        told = str(failure_of(open_store(server.address(), patience_seconds=0.2)))

    assert 'it says "MISCONF Redis is configured to save RDB snapshots' in told
    assert "for 0.2 s: start or mend that Redis" in told


def test_too_many_clients_are_told_as_such(tmp_path: Path, open_store: Open) -> None:
    with RedisServer(tmp_path) as server:
        holder = open_store(server.address())
        holder.pace()
        server.command("CONFIG", "SET", "maxclients", "1")

        told = str(failure_of(open_store(server.address(), patience_seconds=0.2)))

    assert "no connection: 'max number of clients reached', for 0.2 s" in told


def test_a_key_of_another_kind_is_told_as_such(server: RedisServer, open_store: Open) -> None:
    server.command("SET", KEY, "something else")

    told = str(failure_of(open_store(server.address(), patience_seconds=0.2)))

    assert "it says 'WRONGTYPE Operation against a key holding the wrong kind of value'," in told


def test_a_private_authority_is_trusted_when_the_address_names_it(
    tmp_path: Path, certificate: Certificate, open_store: Open
) -> None:
    with RedisServer(tmp_path, password=PASSWORD, certificate=certificate) as server:
        server.end_silence()
        store = open_store(server.address(query=f"?ssl_ca_certs={certificate.authority}"))

        assert store.book()[0] is not None
        assert store.name == f"rediss://127.0.0.1:{server.port}/0"
        store.close()


@pytest.mark.parametrize("query", ["", "?ssl_ca_certs={other.authority}"])
def test_a_certificate_of_another_authority_is_refused_at_once(
    tmp_path: Path,
    certificate: Certificate,
    other_certificate: Certificate,
    open_store: Open,
    query: str,
) -> None:
    with RedisServer(tmp_path, certificate=certificate) as server:
        store = open_store(server.address(query=query.format(other=other_certificate)))

        told = failure_at_once(store)

    assert told == (
        f"limiter rediss://127.0.0.1:{server.port}/0: its certificate cannot be trusted: unable to "
        "get local issuer certificate: check TMDB_LIMITER: ?ssl_ca_certs=/path names the authority "
        "to trust"
    )


def test_a_certificate_of_another_host_is_refused_at_once(
    tmp_path: Path, certificate: Certificate, open_store: Open
) -> None:
    query = f"?ssl_ca_certs={certificate.authority}"
    with RedisServer(tmp_path, certificate=certificate) as server:
        address = server.address(query=query).replace("127.0.0.1", "localhost")

        told = failure_at_once(open_store(address))

    assert "its certificate cannot be trusted: Hostname mismatch" in told


@pytest.mark.parametrize(
    ("path", "reason"), [("/nothing/here.pem", "No such file or directory"), ("/", "directory")]
)
def test_an_authority_that_cannot_be_read_is_told_at_once(
    tmp_path: Path, certificate: Certificate, open_store: Open, path: str, reason: str
) -> None:
    with RedisServer(tmp_path, certificate=certificate) as server:
        told = failure_at_once(open_store(server.address(query=f"?ssl_ca_certs={path}")))

    assert reason in told
    assert "?ssl_ca_certs=/path names the authority to trust" in told


@pytest.mark.parametrize("fault", ["wrong", "gone", "hung"])
def test_a_password_is_in_no_message_and_no_record(
    tmp_path: Path, open_store: Open, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with RedisServer(tmp_path, password="" if fault == "gone" else "another") as server:
        store = open_store(server.address("someone", PASSWORD), 0.2)
        if fault == "gone":
            server.kill()
        elif fault == "hung":
            server.stop()

        failure = failure_of(store)

    told = [*traceback.format_exception(failure), repr(failure), repr(store), repr(vars(store))]
    told += [record.getMessage() for record in caplog.records]
    assert not [text for text in told if PASSWORD in text]
    assert "someone" not in str(failure)
