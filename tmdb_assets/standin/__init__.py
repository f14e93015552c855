"""A loopback stand-in for TMDB: made-up answers, the cap enforced, misbehaviour on request.

The demo, the tests and the benchmarks ask it instead of TMDB. Start it with `server.StandIn` (a
thread), `process.StandInProcess` (a process) or `server.serve` (blocking). It knows nothing of the
rest of the package, and none of its data comes from TMDB.
"""
