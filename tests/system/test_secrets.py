"""No credential gets to disk, console or command line, whatever the server does: real processes.

Everything that the processes can write to lies in one folder, which is searched to the last byte.
"""

import re
import secrets
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.patience import HANG_SECONDS, wait_until
from tests.system.project import Project
from tests.system.secret_search import find_secrets
from tmdb_assets.cli.main import cli
from tmdb_assets.standin.faults import KINDS
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.redirects import DEAF_PORT, ELSEWHERE
from tmdb_assets.standin.settings import StandInSettings

STOP_THE_RUN = ["suspended", "401"]
PAUSE_EVERYBODY = {"429", "429_retry_after", "503_retry_after"}
FIRST_FAULTY, REFUSED = 1000, 5000
PLAIN = 150


class Elsewhere(socketserver.ThreadingTCPServer):
    """Another origin, that nobody may ask: it counts connections and keeps what they bring."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int = 0) -> None:
        super().__init__((host, port), Listener)
        self.connections = 0
        self.received = b""
        self.origin = f"http://{host}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Listener(socketserver.BaseRequestHandler):
    server: Elsewhere

    def handle(self) -> None:
        self.server.connections += 1
        self.request.settimeout(5)
        with suppress(OSError):
            self.server.received += self.request.recv(65_536)


class CommandLines:
    """The command line of every process of a project, looked at all the time."""

    def __init__(self, project: Project) -> None:
        self.seen: set[bytes] = set()
        self._project = project
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._is_over.wait(0.05):
            for pid in self._project.processes():
                with suppress(OSError):
                    self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())


class Household:
    """A folder with all that a user's processes can write to, and what they say, in files."""

    def __init__(self, root: Path, origin: str, **credential: str) -> None:
        self.root = root
        folders = {name: root / name for name in ("project", "home", "state", "tmp", "said")}
        for folder in folders.values():
            folder.mkdir()
        self._said = folders["said"]
        self.project = Project(
            folders["project"],
            origin,
            HOME=str(folders["home"]),
            XDG_STATE_HOME=str(folders["state"]),
            TMPDIR=str(folders["tmp"]),
            TMDB_LIMITER="file",
            TMDB_REQUESTS_PER_SECOND="400",
            TMDB_BATCH_SIZE="1000",
            TMDB_TIMEOUT_SECONDS="2",
            TMDB_MAX_ATTEMPTS="2",
            TMDB_MAX_BODY_MIB="1",
            **credential,
        )

    def command(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a command of ours; return its code and all that it said, which is kept."""
        code, out, err = self.project.run("--debug", *arguments)
        self._keep(f"{len(list(self._said.iterdir()))}-{arguments[0]}", out, err)
        return code, out + err

    def materialize(self, partition: str) -> tuple[int, str]:
        """Do the same through Dagster's own command."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize"),
                *("--select", "tmdb_responses", "--partition", partition),
                *("-m", "tmdb_assets.definitions"),
            ],
            cwd=self.project.folder,
            env=self.project.environment,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        self._keep("materialize", done.stdout, done.stderr)
        return done.returncode, done.stdout + done.stderr

    def _keep(self, name: str, out: str, err: str) -> None:
        self._said.joinpath(f"{name}.out").write_text(out)
        self._said.joinpath(f"{name}.err").write_text(err)


def script(stops: list[str]) -> dict[str, list[str]]:
    """Return two URLs for every kind, one that recovers and one that does not."""
    numbers = iter(range(FIRST_FAULTY, REFUSED))
    faulty = {f"/3/movie/{REFUSED}": stops}
    for kind in KINDS:
        if kind not in STOP_THE_RUN:
            for times in (1,) if kind in PAUSE_EVERYBODY else (1, 2):
                faulty[f"/3/movie/{next(numbers)}"] = [kind] * times
    return faulty


def lines(faulty: Iterable[str], key: str, session: str, origins: list[str]) -> Iterator[str]:
    """Yield a list as users have them: credentials in many lines, and lines for other hosts."""
    yield from faulty
    for number in range(PLAIN):
        yield (
            f"/movie/{number}",
            f"/3/movie/{number}?api_key={key}&language=en",
            f"https://api.themoviedb.org/3/movie/{number}?session_id={session}",
            f"/3/movie/{number}?API%5fKEY={key}&guest_session_id={session}",
            f"/3/movie/{number}?x=1#api_key={key}",
        )[number % 5]
    # none of these is any good
    for origin in origins:
        yield f"{origin}/3/movie/1?api_key={key}"
    yield f"https://user:{key}@api.themoviedb.org/3/movie/1"
    yield f"https://api.themoviedb.org:{key}/3/movie/1"
    yield f"/3/movie/1&api_key={key}"
    yield f"/3/movie/1?a=b?session_id={session}"
    yield f"/3/movie/1 {key}"
    yield f"api_key={key}"
    yield f'"/3/movie/1?api_key={key}"'


def live(household: Household, url_list: Path, stops: int) -> dict[str, tuple[int, str]]:
    """Do all that users do; the last of the stops comes through Dagster's own command."""
    refused = household.project.folder / "refused.txt"
    refused.write_text(f"/movie/{REFUSED}\n")
    done = {
        "run": household.command("run", url_list),
        "strict": household.command("add", "--strict", url_list, "--name", "strict"),
        "add": household.command("add", refused),
    }
    for number in range(1, stops):
        done[f"stopped {number}"] = household.command("run", refused)
    done["materialize"] = household.materialize("refused-stand-in-0001")
    for name in ("status", "failed", "limiter", "verify"):
        if name in cli.commands:
            done[name] = household.command(name)
    wait_until(lambda: not household.project.processes(), "all processes ended")
    return done


def others_beside(stack: ExitStack, origin: str) -> list[Elsewhere]:
    """Listen wherever a line of the list or a redirect leads on this machine."""
    port = urlsplit(origin).port or 0
    others = [
        stack.enter_context(Elsewhere(ELSEWHERE, port)),
        stack.enter_context(Elsewhere("127.0.0.1")),
    ]
    with suppress(OSError):  # only root may have it, and only one of two who run these tests
        others.append(stack.enter_context(Elsewhere("127.0.0.1", DEAF_PORT)))
    return others


def check(root: Path, variable: str, credential: str, stops: list[str]) -> None:
    """Live with this credential; look for it and for those of the list, everywhere."""
    listed = {"key": secrets.token_hex(16), "session": secrets.token_hex(20)}
    faulty = script(stops)
    settings = StandInSettings(
        token=credential, latency_seconds=0.05, cap=None, script=faulty, huge_bytes=3 << 20
    )
    with ExitStack() as stack:
        server = stack.enter_context(StandInProcess(settings))
        others = others_beside(stack, server.origin)
        household = Household(root, server.origin, **{variable: credential})
        project = stack.enter_context(household.project)
        url_list = project.folder / "movies.txt"
        origins = [other.origin for other in others]
        faulty.pop(f"/3/movie/{REFUSED}")
        url_list.write_text("\n".join(lines(faulty, **listed, origins=origins)))
        with CommandLines(project) as command_lines:
            done = live(household, url_list, len(stops))
        root.joinpath("said", "command-lines").write_bytes(b"\n".join(command_lines.seen))
        faults = server.statistics()["faults"]

    found = find_secrets(root, {"credential": credential, **listed})
    leaks = [finding for finding in found if finding.path != url_list]
    assert not leaks, "\n".join(map(str, leaks))
    assert {finding.secret for finding in found} == {"key", "session"}
    assert [(other.connections, other.received) for other in others] == [(0, b"")] * len(others)
    # and what was to happen did happen: else nothing of this proves anything
    assert isinstance(faults, dict)
    assert set(KINDS) - set(faults) == set(STOP_THE_RUN) - set(stops)
    assert any(b"spawn_main" in line for line in command_lines.seen)
    check_done(done)
    check_written(root, project)


def check_done(done: dict[str, tuple[int, str]]) -> None:
    codes = {name: code for name, (code, _) in done.items()}
    assert {name for name, code in codes.items() if code} - {"verify"} == {
        name for name in done if name in {"run", "strict", "materialize"} or "stopped" in name
    }
    assert "Traceback" in done["strict"][1]
    for name, (_, said) in done.items():
        if name == "materialize" or "stopped" in name:
            assert "TMDB refuses the credential" in said


def check_written(root: Path, project: Project) -> None:
    outcomes = [outcomes[-1] for outcomes in project.outcomes().values()]
    assert sum(outcome["outcome"] == "fetched" for outcome in outcomes) > PLAIN
    assert sum("repeats the credential" in outcome["reason"] for outcome in outcomes) > 0
    # the search reaches what Dagster keeps of an exception
    places = find_secrets(root, {"exception": "tmdb_assets.errors.CredentialError"})
    columns = {place.partition(" ")[0] for _, place, _, _ in places}
    assert {"byte", "event_logs.event"} <= columns


def test_a_read_access_token_and_credentials_in_lists_are_written_nowhere_and_sent_to_nobody_else(
    tmp_path: Path,
) -> None:
    token = f"eyJ{'.'.join(secrets.token_urlsafe(size) for size in (15, 48, 32))}"

    check(tmp_path, "TMDB_READ_ACCESS_TOKEN", token, STOP_THE_RUN)


def test_an_api_key_and_credentials_in_lists_are_written_nowhere_and_sent_to_nobody_else(
    tmp_path: Path,
) -> None:
    check(tmp_path, "TMDB_API_KEY", secrets.token_hex(16), STOP_THE_RUN[-1:])


def test_no_message_of_a_wrong_setting_or_its_traceback_holds_a_secret(tmp_path: Path) -> None:
    secret = f"e{secrets.token_urlsafe(30)}"
    wrong = [
        ("TMDB_READ_ACCESS_TOKEN", f"{secret} "),
        ("TMDB_API_KEY", f"{secret}\x7f"),
        ("TMDB_LIMITER", f"redis://user:{secret}@127.0.0.1:1/0"),
        ("TMDB_LIMITER", f"redis//user:{secret}@127.0.0.1:1"),
        ("TMDB_ALLOWED_ORIGINS", f"https://user:{secret}@api.themoviedb.org"),
    ]
    household = Household(tmp_path, "http://127.0.0.1:1")
    right = household.project.environment.copy()
    for name, value in wrong:
        household.project.environment = {**right, name: value}
        code, said = household.command("limiter")

        assert (code, "Traceback" in said) == (2, True)
        assert re.search(rf"Error: ({name} |limiter redis://127.0.0.1:1/0)", said)
    assert find_secrets(tmp_path, {"secret": secret}) == []


def test_the_other_origin_would_notice() -> None:
    with Elsewhere("127.0.0.1") as other:
        with socket.create_connection(("127.0.0.1", other.server_address[1]), 5) as link:
            link.sendall(b"GET /")
        wait_until(lambda: other.received, "it heard something")

    assert (other.connections, other.received) == (1, b"GET /")
