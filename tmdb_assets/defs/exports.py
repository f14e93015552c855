"""Dagster's view of TMDB's daily exports of ids: an asset, its job, and its schedule.

The asset only makes lists and drops them into the watched folder; the sensor freezes them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
from pydantic import Field, ValidationError

from tmdb_assets.client.file_download import FileUnavailableError
from tmdb_assets.defs import metadata
from tmdb_assets.defs.partitions import GROUP, ID_EXPORTS, OWNERS
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.errors import ConfigurationError, TmdbAssetsError, UrlListError
from tmdb_assets.files import make_folder, remove, storing
from tmdb_assets.model import Settings
from tmdb_assets.sources.export_file import ExportError
from tmdb_assets.sources.exports import ExportReport, Wanted, checked, make_list
from tmdb_assets.sources.fetching import NoExportError
from tmdb_assets.sources.kinds import KINDS, Kind
from tmdb_assets.sources.shapes import Wish, shape_of
from tmdb_assets.watched import MAX_BYTES

EXPORT_JOB = "tmdb_id_export"

RETRY_SECONDS = 300
"""Until a failed export is tried again; doubles once. The run keeps its place meanwhile."""

_PASSING = (FileUnavailableError, NoExportError, ExportError)
"""What may be over in some minutes."""

_QUOTABLE = re.compile(r"[A-Za-z_/ -]{1,24}[0-9]{0,4}")
"""A name as TMDB's, with a slip perhaps; a credential is longer, or mixes letters and digits."""


class IdExportConfig(dg.Config):
    """Which ids are wanted, and which URLs each of them makes."""

    kinds: list[str] = Field(
        default=["movie"], description=f"One list for each: some of {', '.join(KINDS)}."
    )
    min_popularity: float = Field(
        default=0.0, description="Leave out what is less popular, where a kind has popularity."
    )
    append: list[str] = Field(
        default=[],
        description="Sub-resources to ask for with each id, where a kind has them, as credits, "
        "images.",
    )
    separate: bool = Field(
        default=False, description="Whether each sub-resource is a URL of its own."
    )
    adult: bool = Field(
        default=False, description="Also adult ones, where a kind has an export of them."
    )
    video: bool = Field(default=False, description="Also films that are marked as video.")
    limit: int | None = Field(default=None, description="Only the most popular of each kind.")
    parameters: list[str] = Field(
        default=[],
        description="name=value for every URL, as language=de-DE. Not for credentials: Dagster "
        "shows and stores what stands here.",
    )

    def wanted(self, settings: Settings) -> list[Wanted]:
        """Return what is wanted of each kind, checked; what the others alone have is passed over.

        Raises:
            ConfigurationError: something is wished for that there is not, or a parameter is a
                credential. The message holds no text that may be one.
        """
        kinds = [_kind(name) for name in dict.fromkeys(self.kinds)]
        parts = {kind.name: _parts_of(kind, self.append, settings) for kind in kinds}
        for part in self.append:
            if kinds and not any(part in some for some in parts.values()):
                raise _no_part(part, kinds)
        found = [self._of(kind, parts[kind.name]) for kind in kinds]
        for one in found:
            checked(one, settings)
        return found

    def _of(self, kind: Kind, parts: tuple[str, ...]) -> Wanted:
        # where nothing of what is to stand alone is left, details are
        separate = self.separate and bool(parts or not self.append)
        return Wanted(
            kind=kind.name,
            wish=Wish(parts, separate, tuple(self.parameters)),
            min_popularity=self.min_popularity if kind.has_popularity else 0.0,
            adult=self.adult and bool(kind.adult_export),
            video=self.video and kind.has_video,
            limit=self.limit,
        )


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise ConfigurationError(
            f"TMDB exports no ids of {_quoted(name)}: take one of {', '.join(KINDS)}"
        )
    return KINDS[name]


def _parts_of(kind: Kind, parts: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Return those sub-resources that a kind has."""

    def is_there(part: str) -> bool:
        try:
            shape_of(kind, Wish((part,)), settings)
        except ConfigurationError:
            return False
        return True

    return tuple(filter(is_there, parts))


def _no_part(part: str, kinds: Sequence[Kind]) -> ConfigurationError:
    names = [kind.name for kind in kinds]
    there = sorted(frozenset().union(*(kind.parts for kind in kinds)))
    more = " and season/1 and so on" if "tv" in names else ""
    return ConfigurationError(
        f"{_quoted(part)} is no sub-resource of {' or '.join(names)}: "
        f"take from {', '.join(there)}{more}"
    )


def _quoted(name: str) -> str:
    """Return a name for a message; what may be a credential in the wrong place is not shown."""
    return repr(name) if _QUOTABLE.fullmatch(name) else "'…' (not shown: it may be a credential)"


@dg.asset(
    name=ID_EXPORTS,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"file", "tmdb"},
    tags={"stage": "source"},
    retry_policy=dg.RetryPolicy(max_retries=2, delay=RETRY_SECONDS, backoff=dg.Backoff.EXPONENTIAL),
)
def id_exports(
    context: dg.AssetExecutionContext, config: IdExportConfig, tmdb: TmdbResource
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster takes it bare only
    """Lists of URLs of all ids in TMDB's newest daily exports, without those that a list has.

    Each list is dropped into the watched folder as `<kind>-export.txt`; the sensor `new_url_lists`
    freezes it and requests its runs. So the first one is everything, and the next day's is what is
    new. Where nothing is new, no list is dropped. An export that looks cut short makes none.
    """
    try:
        settings = tmdb.settings()
        reports = [_drop(wanted, settings) for wanted in config.wanted(settings)]
    except TmdbAssetsError as error:
        raise dg.Failure(
            description=str(error), allow_retries=isinstance(error, _PASSING)
        ) from error
    for report in reports:
        context.log.info(
            "export of %s of %s: %d lines, %d ids, %d URLs in a list already, %d written",
            *(report.kind, report.day, report.lines, report.ids, report.already, report.written),
        )
    return dg.MaterializeResult(metadata=_metadata(reports))


def _drop(wanted: Wanted, settings: Settings) -> ExportReport:
    """Make a list and rename it into the watched folder, if there is anything in it."""
    folder = settings.url_lists_dir
    make_folder(folder)
    name = f"{wanted.kind}-export.txt"
    hidden = folder / f".{name}"  # the sensor does not look at it
    report = make_list(wanted, settings, hidden)
    if report.written:
        _check_size(report, hidden)
        with storing(folder):
            hidden.replace(folder / name)
    return replace(report, path=folder / name)


def _check_size(report: ExportReport, hidden: Path) -> None:
    with storing(hidden):
        size = hidden.stat().st_size
    if size > MAX_BYTES:
        remove(hidden)
        raise UrlListError(
            f"{report.written:,} URLs of {report.kind} are {size:,} bytes, more than the "
            f"{MAX_BYTES:,} that the sensor takes: set a limit or a least popularity, or use "
            f"`tmdb-assets export {report.kind}` and `tmdb-assets add`, which take any size"
        )


def _metadata(reports: Iterable[ExportReport]) -> metadata.Metadata:
    """Return numbers to plot, and what became of each kind."""
    found = list(reports)
    numbers = {
        "lines": sum(one.lines for one in found),
        "odd_lines": sum(count for one in found for _, count in one.odd),
        "ids": sum(one.ids for one in found),
        "urls_in_lists_already": sum(one.already for one in found),
        "urls_written": sum(one.written for one in found),
    }
    shown = {name: metadata.number(value) for name, value in numbers.items()}
    if found:
        shown["date"] = dg.MetadataValue.text(max(one.day for one in found).isoformat())
        shown["exports"] = metadata.table(map(_row, found))
    if dropped := [one for one in found if one.written]:
        shown["preview"] = metadata.table(_preview(dropped))
        shown["path"] = dg.MetadataValue.path(dropped[0].path.absolute())
    return shown


def _row(report: ExportReport) -> dict[str, str | int]:
    left_out = ", ".join(f"{count:,} {why}" for why, count in (*report.left_out, *report.odd))
    return {
        "kind": report.kind,
        "date": report.day.isoformat(),
        "lines": report.lines,
        "left out": left_out or "none",
        "ids": report.ids,
        "in lists already": report.already,
        "written": report.written,
    }


def _preview(reports: Iterable[ExportReport]) -> Iterator[dict[str, str | int]]:
    for report in reports:
        for url in report.first:
            yield {"list": f"{report.kind}-export", "url": url}


tmdb_id_export = dg.define_asset_job(
    EXPORT_JOB,
    selection=[id_exports],
    description="Make lists of what is new in TMDB's daily exports of ids.",
)


@dg.schedule(
    job=tmdb_id_export,
    cron_schedule="30 8 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        "Every day at 08:30 UTC, when TMDB has made its exports, makes lists of what is new, as "
        "TMDB_DAILY_EXPORT wishes. Off until somebody turns it on."
    ),
)
def daily_export(context: dg.ScheduleEvaluationContext, tmdb: TmdbResource) -> dg.RunRequest:
    """Request the run of a day, with the wishes of the environment."""
    config = _config_of(tmdb.daily_export())
    # now, not in the run: Dagster stores the run's config, and a parameter may be a credential
    _check_wish(config, tmdb.settings())
    return dg.RunRequest(
        run_key=f"{context.scheduled_execution_time:%Y-%m-%d}",
        run_config=dg.RunConfig(ops={ID_EXPORTS: config}),
    )


def _check_wish(config: IdExportConfig, settings: Settings) -> None:
    try:
        wanted = config.wanted(settings)
    except ConfigurationError as error:
        raise ConfigurationError(f"TMDB_DAILY_EXPORT cannot be used: {error}") from None
    if not wanted:
        raise ConfigurationError(
            "TMDB_DAILY_EXPORT names no kind: write some into its kinds, or turn the schedule off"
        )


def _config_of(wishes: dict[str, object]) -> IdExportConfig:
    unknown = sorted(wishes.keys() - IdExportConfig.model_fields)
    problem = f"there is no {_quoted(unknown[0])}" if unknown else ""
    try:
        config = IdExportConfig.model_validate(wishes)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if problem:
        raise ConfigurationError(
            f"TMDB_DAILY_EXPORT cannot be used: {problem}: write it as "
            '{"kinds": ["movie"], "min_popularity": 1, "append": ["credits"]}'
        )
    return config
