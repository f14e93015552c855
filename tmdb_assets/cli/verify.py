"""Command `verify`: whether what is on disk is what was fetched."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from tmdb_assets import batches, verification
from tmdb_assets.cli import show
from tmdb_assets.cli.lists import json_option
from tmdb_assets.cli.names import meant, name_argument
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment
from tmdb_assets.verification import MENDED, Finding, Verified

SHOWN_FINDINGS = 20
"""Findings of a batch that are printed one by one; the rest is counted."""


@click.command()
@name_argument
@click.option("--repair", is_flag=True, help="Have the next run fetch what is broken or lost.")
@json_option
def verify(name: str | None, *, repair: bool, as_json: bool) -> None:
    """Compare every file with what was fetched: all lists, or the one of that name.

    Reads all, changes nothing without --repair, and never removes what is not ours. Exits with 1
    if anything is wrong, also when it was repaired.

    \b
    Examples:
      tmdb-assets verify
      tmdb-assets verify movies --repair; tmdb-assets retry movies
      tmdb-assets verify --json | jq -r .what
    """
    settings = from_environment(os.environ)
    is_sound = True
    for verified in _verified(settings, name):
        is_sound = is_sound and not verified.findings
        if as_json:
            for finding in verified.findings:
                show.print_json(asdict(finding))
        else:
            _print(verified)
        if repair and any(finding.flaw in MENDED for finding in verified.findings):
            _repair(settings, verified.batch)
    if not is_sound:
        raise SystemExit(1)


def _repair(settings: Settings, batch: str) -> None:
    try:
        verification.repair(settings.data_dir, batch)
    except (BatchError, StoreError) as error:
        show.err.print(f"{batch}: not repaired: {error}", markup=False)
    else:
        name = batches.list_of(batch)
        words = f"fetch what is missing: {show.asking(name, settings)} retry {name}"
        show.err.print(f"{batch}: repaired; {words}", markup=False)


def _verified(settings: Settings, name: str | None) -> Iterator[Verified]:
    for one in meant(name, settings):
        try:
            yield from verification.verify_list(settings.data_dir, one)
        except (BatchError, StoreError) as error:
            if name:
                raise
            yield _of([verification.damaged(one, error)])
    if not name and (strange := [*verification.strangers(settings.data_dir)]):
        yield _of(strange)


def _of(findings: Sequence[Finding]) -> Verified:
    return Verified(findings[0].batch, 0, 0, 0, 0, tuple(findings))


def _print(verified: Verified) -> None:
    for finding in verified.findings[:SHOWN_FINDINGS]:
        words = f"{finding.batch}: {finding.flaw}: {finding.what}: {finding.remedy}"
        show.out.print(words, markup=False)
    if len(verified.findings) > SHOWN_FINDINGS:
        show.out.print(f"{verified.batch}: and {len(verified.findings) - SHOWN_FINDINGS:,} more")
    if verified.urls:
        show.out.print(
            f"{verified.batch}: {verified.urls:,} URLs, {verified.bodies:,} files as fetched, "
            f"{verified.pending:,} URLs to fetch, {len(verified.findings):,} flaws"
        )
