"""What all assets share: one dynamic partition per frozen batch, the group, the owners."""

import dagster as dg

GROUP = "tmdb"
OWNERS = ["team:tmdb"]
ID_EXPORTS = "id_exports"
RESPONSES = "tmdb_responses"
TABLES = "tmdb_tables"
CATALOG = "tmdb_catalog"

batches_partitions = dg.DynamicPartitionsDefinition(name="tmdb_batches")
