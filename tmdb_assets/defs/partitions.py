"""Dagster partitions: one dynamic partition per frozen batch; the key is the batch's name."""

import dagster as dg

batches_partitions = dg.DynamicPartitionsDefinition(name="tmdb_batches")
