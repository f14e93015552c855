"""Benchmarks: run by `make bench`, each also alone as `python -m tests.bench NAME`."""
