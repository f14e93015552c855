"""Dagster's view of URL lists: the asset that they are, and the event that one was frozen."""

import inspect
from pathlib import Path

import dagster as dg

from tmdb_assets.defs import metadata
from tmdb_assets.defs.partitions import GROUP, ID_EXPORTS, OWNERS
from tmdb_assets.plans import Added

url_lists = dg.AssetSpec(
    "url_lists",
    deps=[ID_EXPORTS],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"file"},
    tags={"stage": "source"},
    description=(
        "Lists of TMDB URLs, frozen into batches of about 2,000 under `data/batches`. "
        "Drop a list into `url_lists/`, run `tmdb-assets add LIST`, or have `id_exports` make one: "
        "every batch becomes a "
        "partition of `tmdb_responses`."
    ),
)


def list_event(added: Added) -> dg.AssetMaterialization:
    """Return the event that a list was frozen, for the page of `url_lists`."""
    return dg.AssetMaterialization(url_lists.key, metadata=metadata.of_list(added))


def with_code_link(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Return an asset that no code of ours makes by itself, with a link to this module."""
    line = inspect.getsourcelines(list_event)[1]
    link = dg.LocalFileCodeReference(
        file_path=__file__, line_number=line, label=Path(__file__).name
    )
    return spec.merge_attributes(
        metadata={"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[link])}
    )
