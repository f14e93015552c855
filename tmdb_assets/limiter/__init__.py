"""Pacing: at most N requests in any second, for every thread, process and host that shares it.

`slots` and `cooldown` hold the rules, pure; `file_store` keeps their state for one host,
`redis_store` for many; `bucket` fits them to pyrate-limiter; `door` is what the HTTP client passes;
`opening` makes one from settings, `watch` looks at one from outside. Nothing here knows HTTP.
"""
