"""The Dagster skin: the only place, beside `tmdb_assets.definitions`, that knows Dagster.

Bodies are short: take the key from the context, call the core, turn its report into metadata.
"""
