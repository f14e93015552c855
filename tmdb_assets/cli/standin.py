"""Command `stand-in`: a loopback TMDB, alone or for as long as another command runs."""

import errno
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import click

from tmdb_assets.cli import show
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.standin.faults import DEFAULT_KINDS, KINDS
from tmdb_assets.standin.server import StandIn, serve
from tmdb_assets.standin.settings import DEFAULT_PORT, StandInSettings

_PROBE_SECONDS = 2.0


@click.command("stand-in", context_settings={"ignore_unknown_options": False})
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="0 takes a free one.")
@click.option("--latency", default=2.3, show_default=True, help="Mean, in seconds.")
@click.option("--cap", default=50, show_default=True, help="Requests per second before 429.")
@click.option("--no-cap", is_flag=True, help="Count, but refuse nothing.")
@click.option("--faults", default=0.0, show_default=True, help="Share of URLs that misbehave.")
@click.option("--fault", "kinds", multiple=True, help=f"How: {', '.join(KINDS)}.")
@click.option("--samples", type=click.Path(path_type=Path), help="Folder of recorded responses.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
def stand_in(  # noqa: PLR0913 - one per option
    *,
    port: int,
    latency: float,
    cap: int,
    no_cap: bool,
    faults: float,
    kinds: tuple[str, ...],
    samples: Path | None,
    command: tuple[str, ...],
) -> None:
    """Play TMDB on loopback, with made-up data, its latency and its rate limit.

    With a COMMAND, runs that one against the stand-in and ends with it. Statistics of what arrived
    are at /stand-in/statistics.

    \b
    Examples:
      tmdb-assets stand-in --latency 0.5
      tmdb-assets stand-in --faults 0.05 -- tmdb-assets run movies.txt
    """
    try:
        settings = StandInSettings(
            port=port,
            latency_seconds=latency,
            cap=None if no_cap else cap,
            fault_share=faults,
            fault_kinds=kinds or DEFAULT_KINDS,
            samples=samples,
        )
        if command:
            raise SystemExit(_run_beside(settings, command))
        serve(settings, _announce)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"stand-in: {error.strerror}: {_way_out(settings)}") from error
        raise ConfigurationError(f"stand-in: {error}") from error


def _way_out(settings: StandInSettings) -> str:
    """Return what to do about a port that is taken."""
    if _is_up(_origin(settings)):
        return "use the one that is up (`stand-in -- COMMAND` does), or take another with --port"
    return "take another one with --port"


def _announce(origin: str) -> None:
    show.out.print(f"stand-in for TMDB at {origin}, made-up data; Ctrl-C ends it")
    show.out.print(f"ask it:     TMDB_ALLOWED_ORIGINS={origin} tmdb-assets run LIST")
    show.out.print(f"arrivals:   {origin}/stand-in/statistics")


def _run_beside(settings: StandInSettings, command: tuple[str, ...]) -> int:
    origin = _origin(settings)
    if settings.port and _is_up(origin):
        show.err.print(f"using the stand-in that is up at {origin}")
        return _run(command, origin)
    with StandIn(settings) as server:
        show.err.print(f"no TMDB here: a stand-in at {server.origin} answers with made-up data")
        return _run(command, server.origin)


def _run(command: tuple[str, ...], origin: str) -> int:
    """Run the command; Ctrl-C is for it to act on, we end when it does."""
    environment = {**os.environ, "TMDB_ALLOWED_ORIGINS": origin}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command,
            env=environment,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - no threads yet hold locks it needs
        )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _origin(settings: StandInSettings) -> str:
    return f"http://{settings.host}:{settings.port}"


def _is_up(origin: str) -> bool:
    """Say whether a stand-in answers there already."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - http on loopback
            f"{origin}/stand-in/statistics", timeout=_PROBE_SECONDS
        ) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP
    except OSError:
        return False
