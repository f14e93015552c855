import json
import threading
from collections.abc import Iterable

import pytest

from tests.fake_pacer import FakePacer
from tmdb_assets.errors import CredentialError, DownloadStoppedError, LimiterClosedError
from tmdb_assets.model import Attempt, Fault, Target
from tmdb_assets.sources.asking import Asker

URL = "http://127.0.0.1/3/movie/changes?page=1"


def attempt(status: int | None, body: object = None, fault: Fault | None = None) -> Attempt:
    return Attempt(
        status=status,
        body=b"" if body is None else json.dumps(body).encode(),
        etag="",
        retry_after=None,
        fault=fault,
        sent_at=(1.0,),
        seconds=0.1,
    )


def refused(status: int, code: int) -> Attempt:
    return attempt(status, {"success": False, "status_code": code, "status_message": "no"})


class Script:
    """A client that answers by a script."""

    def __init__(self, *attempts: Attempt) -> None:
        self.left = list(attempts)
        self.asked: list[Target] = []

    def attempt(self, target: Target) -> Attempt:
        self.asked.append(target)
        return self.left.pop(0)


def asker(script: Script, pacer: FakePacer, max_attempts: int = 3) -> Asker:
    return Asker(script, pacer, max_attempts, jitter=lambda: 0.0)


GOOD = attempt(200, {"page": 1})
BAD = (refused(503, 9), attempt(None, fault=Fault.CONNECTION_LOST), attempt(200))


def test_an_answer_is_handed_back() -> None:
    script = Script(GOOD)

    assert asker(script, FakePacer()).ask(URL) == {"page": 1}
    assert [one.url for one in script.asked] == [URL]


@pytest.mark.parametrize("bad", BAD)
def test_what_may_pass_is_asked_for_again(bad: Attempt) -> None:
    assert asker(Script(bad, bad, GOOD), FakePacer()).ask(URL) == {"page": 1}


def test_it_is_given_up_after_some_tries_with_the_reason() -> None:
    with pytest.raises(DownloadStoppedError) as caught:
        asker(Script(*BAD), FakePacer()).ask(URL)

    assert str(caught.value) == (
        f"{URL} was asked for 3 times: empty body: try again when TMDB is well"
    )


def test_a_429_is_no_try_and_the_limiter_hears_of_it() -> None:
    pacer = FakePacer()
    refusals = [refused(429, 25)] * 5

    assert asker(Script(*refusals, GOOD), pacer, max_attempts=1).ask(URL) == {"page": 1}
    assert len(pacer.refusals) == 5


@pytest.mark.parametrize("answer", [refused(401, 7), refused(401, 10), attempt(401)])
def test_a_refused_credential_ends_it(answer: Attempt) -> None:
    script = Script(answer, GOOD)

    with pytest.raises(CredentialError, match=r"refuses the credential.*check TMDB_READ_ACCESS"):
        asker(script, FakePacer()).ask(URL)
    assert len(script.asked) == 1


@pytest.mark.parametrize("answer", [refused(404, 34), refused(422, 20), refused(400, 23)])
def test_what_will_never_come_ends_it(answer: Attempt) -> None:
    with pytest.raises(DownloadStoppedError, match=f"with HTTP {answer.status}, TMDB code"):
        asker(Script(answer, GOOD), FakePacer()).ask(URL)


def test_a_stop_wakes_who_pauses() -> None:
    busy = attempt(503, {"success": False, "status_code": 9, "status_message": "x"})
    asking = Asker(Script(*[busy] * 9), FakePacer(), 9, jitter=lambda: 1.0)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asking.ask(URL)
        except LimiterClosedError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    asking.stop()
    thread.join(5)

    assert not thread.is_alive()
    assert [str(one) for one in failures] == ["stopped before there was an answer"]


def test_a_list_where_an_object_is_due_is_no_answer() -> None:
    lists: Iterable[Attempt] = [attempt(200, [])] * 3

    with pytest.raises(DownloadStoppedError, match="a list instead of an object"):
        asker(Script(*lists), FakePacer()).ask(URL)
