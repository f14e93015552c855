"""Tables of what was downloaded: Parquet files per batch, and a DuckDB catalogue over all of them.

`schema` says what the columns are, `rows` makes a body a row, `making` writes a batch's files,
`catalog` makes the views, `asking` asks them. Only this package imports duckdb. Tables are
derived: they can be removed and made again at any time.
"""
