"""Pacing: at most N requests in any second, for every thread, process and host that shares it.

`slots` holds the rules, pure; `file_store` keeps their state for one host; `bucket` fits them to
pyrate-limiter; `door` is what the HTTP client passes. Nothing here knows HTTP.
"""
