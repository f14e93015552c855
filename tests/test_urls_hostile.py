import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import product
from urllib.parse import unquote, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from tests.client.servers import CountingGate, Link, RawServer, answer
from tmdb_assets.client.session import REDIRECTS, Client
from tmdb_assets.model import Attempt, Fault
from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.settings import from_environment
from tmdb_assets.urls import Canonical, canonical, target

TMDB = "https://api.themoviedb.org"
IDN = "https://xn--bcher-kva.example"
ORIGINS = (TMDB, "http://127.0.0.1:8000", "http://[::1]:8000", IDN)
SECRET = "s3cR3tV4lu3"  # noqa: S105 - the tests look for it

ELSEWHERE = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Where the server listens that nobody may ask; elsewhere only 127.0.0.1 is on loopback."""

STARTS = [*ORIGINS, "", "HTTPS://API.TheMovieDB.org.:0443", "http://127.0.0.1:08000", "//x"]


def words(text: str) -> list[str]:
    """Split at single spaces only: tabs, line feeds and odd spaces are what some words hold."""
    return text.split(" ")


SCHEMES = words(
    "https http HTTPS hTTp ftp file javascript data ws git+https view-source:https https:https "
    "blob:http ht\ttps https\n \x00https \uff48ttps https%3a jar:http"
)
SLASHES = words(":// : :/ :/// :\\\\ :/\\ :\\/ // :/\t/ %3a// :%2f%2f :;// ://// :\uff0f\uff0f")
USERS = words(
    " @ user@ u:p@ a%40b@ https://api.themoviedb.org@ 127.0.0.1:8000@ 127.0.0.1:8000\\@ #@ ?@ ;@ "
    "[::1]:8000@ api.themoviedb.org%00@ @@ x\t@ %2f@ /@"
)
HOSTS = words(
    "api.themoviedb.org API.TheMovieDB.Org api.themoviedb.org. api.themoviedb.org.. .api.tmdb.org "
    "api\u3002themoviedb\u3002org \uff41\uff50\uff49.themoviedb\uff0eorg \u0430pi.themoviedb.org "
    "api.themoviedb.org%2eevil.example api.themoviedb.org\x00.evil.example evil.example localhost "
    "api.themoviedb.org.evil.example api.themoviedb.org%00 api.themovi\u200bedb.org api..tmdb.org "
    "xn--bcher-kva.example b\xfccher.example XN--BCHER-KVA.example bu\u0308cher.example "
    "127.0.0.1 127.1 127.0.0.1. 127.000.000.001 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 "
    "\u2460\u2461\u2466.0.0.1 017700000001 127.0.0.1%2f 127.0.0.2 0 [::1] [0:0:0:0:0:0:0:1] ::1 "
    "[::1%25lo] [::1%lo] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::1 ::1] [v1.x] [] "
    "[0000::0001] [::1].evil.example [\uff1a:1] api.tmdb.org api.themoviedb.org; api.t\u212adb.org"
)
PORTS = words(
    " : :443 :0443 :000443 :80 :8000 :08000 :8000:80 :0 :65536 :99999 :-1 :+443 :\uff14\uff14\uff13"
    " :0x1bb :80\x0000 :44\t3 :8000@evil.example :8000. :8000; :8000\\ :%38000 :8_000"
)
PARTS = words(
    "3 4 movie 550 a,b . .. %2e%2e %2E. .%2e %252e%252e ..; ... %2f %2F..%2F %5c \\ @evil.example "
    "; ;x=1 # ? %00 \x00 \n \t % %zz [x] {id} %33 \xe9 ~ :8000 %3F %23 \uff0e\uff0e \uff0f "
    "%c0%ae%c0%ae %ff http: https:// %20 %0d%0a \u202e 33 3. \u0663 \U0001f3ac"
)
NAMES = words(
    "api_key session_id guest_session_id access_token request_token API_Key api%5Fkey %61pi_key "
    "Session%5fID api_key[] api_key%20 api_key%3B"
)
BEFORE = words(
    "? & ?? ?a=1& ?a=1? ?a=1; ?; ?&& # ?# %3F ?a=%26 &amp; ?u=http%3A%2F%2Fx%2F%3F ?a=%2526 ; / "
    "?\\ ?=& ?a#? ?+ ?a[]=&"
)
JUNK = words(
    "\t \n \r \x00 \\ / @ # ? ; % : . \u3002 \uff0f \u200b \ufeff \x85 \u2028 \xa0 ] %2e .. // %5c"
)


def mostly(good: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 3).flatmap(lambda number: odd if number == 0 else good)


def drawn(*lists: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(*map(st.sampled_from, lists)).map("".join)


starts = mostly(
    st.sampled_from(STARTS),
    drawn(SCHEMES, SLASHES, USERS, HOSTS, PORTS)
    | drawn(["https://", "http://"], ["", *USERS], ["api.themoviedb.org", *HOSTS], ["", *PORTS])
    | drawn(["https://", "http://", "//"], HOSTS, ["", ":8000", ":443"]),
)
paths = mostly(
    drawn(["/3/", "/4/", "/movie/"], ["tv", "\xe9", "a,b", "%61"], ["", "/1", "/"]),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map(
        lambda parts: "/".join(["/3", *parts])
    )
    | drawn(["/"], PARTS, ["/"], PARTS),
)
queries = mostly(
    st.sampled_from(["", "?", "?b=1&a=2", "?q=x@y:z/../..//w", "?a=1&api_key=x"]),
    drawn(BEFORE, NAMES, ["=x", "%3Dx", "%253Dx", ""]) | drawn(["?a=1"], JUNK, PARTS),
)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """Return a line that is like a URL of an allowed origin, or was meant to pass for one."""
    line = draw(starts) + draw(paths) + draw(queries) + draw(st.sampled_from(["", "#", "#/@x"]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(line)))
        line = line[:at] + draw(st.sampled_from(JUNK)) + line[at:]
    return line


def accepted(line: str, origins: Sequence[str] = ORIGINS) -> str:
    """Return the canonical form, empty for a rejected line; a rejection shows no credential."""
    try:
        return canonical(line, origins).url
    except RejectedLineError as error:
        message = f"{error!r} {error}"
    assert SECRET.lower() not in message.lower()
    return ""


def origin_by_urllib(url: str) -> str:
    split = urlsplit(url)
    assert split.username is None
    assert split.password is None
    host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname
    return f"{split.scheme}://{host}" + (f":{split.port}" if split.port else "")


def origin_by_urllib3(url: str) -> str:
    split = parse_url(url)
    assert split.auth is None
    assert split.url == url  # urllib3 finds nothing to make plainer
    return f"{split.scheme}://{split.host}" + (f":{split.port}" if split.port else "")


def origin_by_hand(url: str) -> str:
    """Read character by character, ending the authority at whatever any parser ends it at."""
    scheme, colon, rest = url.partition(":")
    assert (colon, rest[:2]) == (":", "//")
    authority = ""
    for character in rest[2:]:
        if character in "/\\?#;":
            break
        authority += character
    assert set(authority) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-:[]")
    return f"{scheme}://{authority}"


def assert_is_plain(url: str) -> None:
    """Check that the path is under a version and that no decoder finds a way out of it."""
    path = url[len(origin_by_hand(url)) :].partition("?")[0]
    assert path.startswith(("/3/", "/4/"))
    assert path == urlsplit(url).path == parse_url(url).path
    for seen in (path, unquote(path), unquote(path, "latin-1")):
        assert not {"", ".", ".."} & set(seen.split("/")[1:])
        assert "\\" not in seen
        assert seen.count("/") == path.count("/")
        assert all(character.isprintable() or ord(character) > 126 for character in seen)
    assert set(url) <= {chr(code) for code in range(33, 127)} - set("\"<>\\^`{|}@#;'")
    assert url.count("?") <= 1


@settings(max_examples=1500)
@given(spellings(), st.sampled_from([ORIGINS, ORIGINS, ORIGINS[1:2]]))
def test_whatever_is_accepted_is_of_an_allowed_origin_by_three_parsers(
    line: str, origins: tuple[str, ...]
) -> None:
    if url := accepted(line, origins):
        found = {origin_by_urllib(url), origin_by_urllib3(url), origin_by_hand(url)}
        assert len(found) == 1
        assert found <= set(origins)
        assert_is_plain(url)
        assert canonical(url, origins) == Canonical(url, had_credential=False)


@settings(max_examples=600)
@given(spellings(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), st.data())
def test_no_value_that_was_named_as_a_credential_is_in_the_url(
    line: str, names: list[str], data: st.DataObject
) -> None:
    for name in names:
        line += f"{data.draw(st.sampled_from(BEFORE))}{name}={SECRET}"

    assert SECRET.lower() not in accepted(line).lower()


def test_a_host_has_no_spelling_but_its_letter_case_and_a_dot_at_its_end() -> None:
    homes = {"api.themoviedb.org": TMDB, "127.0.0.1": ORIGINS[1], "xn--bcher-kva.example": IDN}
    homes |= dict.fromkeys(["[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]"], ORIGINS[2])
    ports = {TMDB: ("", ":443"), IDN: ("", ":443"), ORIGINS[1]: (":8000",), ORIGINS[2]: (":8000",)}

    for scheme, host, port in product(["http", "https"], HOSTS, ["", ":80", ":443", ":8000"]):
        home = homes.get(host.lower().removesuffix("."), "")
        is_home = home.startswith(f"{scheme}:") and port in ports[home]
        found = accepted(f"{scheme}://{host}{port}/3/movie/550")
        assert found == (f"{home}/3/movie/550" if is_home else "")


# --- on the wire ---------------------------------------------------------------------------------

REFERENCES = """\
. .. ../ ../.. ../../.. ./ / // /// //// ? ?? # ; ;x=1 ?# ?a=1?b=2 ?a=1#?b movie/2 ./2 ../../x 2;x
../../../3/x ../../../4/list/1 /4/list/1 /3 /3/ /4 /5/x /33/x /3x/y /login /3/../login /3/%2e%2e/x
/3/..;/login /3/.%2e/login /3/%252e%252e/x /3/movie%2f..%2f..%2flogin /3/movie%5c..%5clogin /..//x
/3/./x /3//x //3/movie/2 ///3/movie/2 /\\3/movie/2 \\3\\movie\\2 /3\\..\\login /%33/x /%34/x /3%2fx
/3/\xff /3/\xef\xbc\x8e\xef\xbc\x8e/x /3/\x00x /3/a\tb /3/%0d%0aHost:%20x /3/%00 /3/% /3/%zz /3/{id}
http: http:/ http:// http:/// http:3 http:/3/movie/2 http:movie/2 http:?a http:#a https:/3/movie/2
HTTP:/3/x ftp:/3/x javascript:/3/x data:,x mailto:x@OTHER about:blank file:///3/x //@ //: //:@ //[
//OTHER //OTHER/3/x ///OTHER/3/x ////OTHER/3/x /\\OTHER/3/x \\\\OTHER/3/x \\/OTHER/3/x /\t/OTHER/3/x
http:OTHER/3/x http:/OTHER/3/x http:///OTHER/3/x http:\\\\OTHER\\3\\x http:/\\OTHER/3/x h\tttp://OTHER/3/x
http://OTHER http://OTHER? http://OTHER# http://OTHER;x/3/x http://OTHER\\3\\x http://OTHER:/3/x
http://OWN@OTHER/3/x http://OWN:x@OTHER/3/x http://OWN\\@OTHER/3/x http://OWN#@OTHER/3/x
http://OWN?@OTHER/3/x http://OWN;@OTHER/3/x http://OWN/@OTHER/3/x http://OWN/3/x@OTHER/3/x
http://OWN%2f@OTHER/3/x http://OWN%40OTHER/3/x http://OWN%00@OTHER/3/x http://OWN\x00@OTHER/3/x
http://OTHER@OWN/3/x http://OTHER#@OWN/3/x http://OTHER?@OWN/3/x http://OTHER\\@OWN/3/x
http://OTHER%23@OWN/3/x http://OTHER&@OWN/3/x http://OTHER;@OWN/3/x http://x:y@OWN/3/x http://@OWN/3/x
http://OWN,OTHER/3/x http://OWN OTHER/3/x http://OWN.OTHER/3/x http://OWN:OTHER/3/x http://OWN%20/3/x
http://OWN/3/../../OTHER/3/x http://OWN//OTHER/3/x http://OWN/3/x?u=//OTHER http://OWN/3/x#//OTHER
http://OWN./3/x http://OWN/login http://OWN/%2e%2e/login http://OWN http://OWN? https://OWN/3/x
"""
LOCATIONS = [location for line in REFERENCES.split("\n") for location in words(line)]
LOCATIONS += map(
    "".join, product(["http://", "//"], HOSTS, ["", ":OTHERPORT", ":OWNPORT"], ["/3/x"])
)


class Trap:
    """A client, the only server that it may ask, and another that records who else is asked."""

    def __init__(
        self, own: RawServer, other: RawServer, client: Client, gate: CountingGate
    ) -> None:
        self.location = b""
        self._own, self._other, self._client, self._gate = own, other, client, gate

    def send(self, location: str) -> Attempt:
        """Redirect to a location and check who was asked for what."""
        for server, name in ((self._other, "OTHER"), (self._own, "OWN")):
            location = location.replace(f"{name}PORT", str(server.port))
            location = location.replace(name, server.origin.removeprefix("http://"))
        self.location = location.encode()
        asked, permits = len(self._own.requests), self._gate.permits
        attempt = self._client.attempt(target(f"{self._own.origin}/3/start"))
        heads = self._own.requests[asked:]
        assert self._other.connections == 0
        assert 1 <= len(heads) == self._gate.permits - permits <= 1 + REDIRECTS
        assert all(head.startswith((b"GET /3/", b"GET /4/")) for head in heads)
        host = self._own.origin.removeprefix("http://").encode()
        assert all(head.count(b"\r\nHost: " + host + b"\r\n") == 1 for head in heads)
        return attempt


@contextmanager
def a_trap() -> Iterator[Trap]:
    def sends_away(link: Link) -> None:
        while head := link.request():
            moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n"
            is_start = head.startswith(b"GET /3/start ")
            link.send(moved % trap.location if is_start else answer())

    gate = CountingGate()
    with (
        RawServer(lambda link: link.send(answer()), host=ELSEWHERE) as other,
        RawServer(sends_away) as own,
        closing(Client(from_environment({"TMDB_ALLOWED_ORIGINS": own.origin}), gate)) as client,
    ):
        trap = Trap(own, other, client, gate)
        yield trap


def test_no_hostile_location_reaches_another_server() -> None:
    with a_trap() as trap:
        faults = {location: trap.send(location).fault for location in LOCATIONS}

    assert len(faults) >= 300
    assert set(faults.values()) == {None, Fault.REDIRECTED, Fault.REDIRECT_LOOP}


def test_no_generated_location_reaches_another_server() -> None:
    places = {TMDB: "http://OWN", ORIGINS[1]: "http://OWN", ORIGINS[2]: "http://OTHER"}
    places |= {"evil.example": "OTHER", "127.0.0.2": "OTHER", ":8000": ":OWNPORT"}
    with a_trap() as trap:

        @settings(max_examples=300)
        @given(spellings())
        def check(location: str) -> None:
            for spelled, place in places.items():
                location = location.replace(spelled, place)
            trap.send(location)

        check()
