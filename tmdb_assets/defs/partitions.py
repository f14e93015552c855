"""What all assets share: one dynamic partition per frozen batch, the group, the owners."""

import warnings

import dagster as dg

GROUP = "tmdb"
OWNERS = ["team:tmdb"]
ID_EXPORTS = "id_exports"
RESPONSES = "tmdb_responses"
TABLES = "tmdb_tables"
CATALOG = "tmdb_catalog"

batches_partitions = dg.DynamicPartitionsDefinition(name="tmdb_batches")


def check_per_partition(asset: str, name: str, description: str) -> dg.AssetCheckSpec:
    """Return a check that has a result per partition: else a good batch would hide a bad one."""
    with warnings.catch_warnings():
        # partitioned checks are a preview; the contract tests notice if they change
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, partitions_def=batches_partitions, description=description
        )
