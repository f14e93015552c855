"""HTTP to TMDB: the only place that knows requests and urllib3.

`wire` is the connection that takes a permit and adds the credential; `watchdog` ends attempts that
outlive their time; `session` sends one attempt for a target and says what came of it.
"""
