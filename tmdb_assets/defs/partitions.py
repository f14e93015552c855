"""What all assets share: one dynamic partition per frozen batch, the group, the owners."""

import dagster as dg

GROUP = "tmdb"
OWNERS = ["team:tmdb"]
RESPONSES = "tmdb_responses"

batches_partitions = dg.DynamicPartitionsDefinition(name="tmdb_batches")
