# Needs python3 (3.11 or newer) with venv, and nothing else; everything lands in .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
LIST ?= tmdb_assets/standin/sample.txt

WORKERS ?= 4

.PHONY: help setup run test check ui bench audit clean

help:
	@echo "make run             download the sample list; LIST=path for your own"
	@echo "make ui              the Dagster UI at http://127.0.0.1:3000"
	@echo "make test            all checks and tests"
	@echo "make bench           the benchmarks"

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a minute or so, once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
	  --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

# Without a token TMDB answers nobody: then a stand-in on loopback does, with made-up data.
BESIDE = $$([ -n "$$TMDB_READ_ACCESS_TOKEN$$TMDB_API_KEY" ] || echo "tmdb-assets stand-in --")

run: setup
	@export PATH="$(CURDIR)/$(BIN):$$PATH"; exec $(BESIDE) tmdb-assets run "$(LIST)"

ui: setup
	@export PATH="$(CURDIR)/$(BIN):$$PATH"; exec $(BESIDE) tmdb-assets ui

check: setup
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports

# First what needs no run of Dagster, then what starts many, then what measures rates and wants a
# machine with nearly nothing else to do. A module stays in one process, which starts its servers
# once.
TOGETHER := --dist loadscope --no-loadscope-reorder
test: check
	@$(BIN)/python -m pytest -n $(WORKERS) $(TOGETHER) --ignore tests/system --cov
	@$(BIN)/python -m pytest -n $(WORKERS) $(TOGETHER) -m "not rates" tests/system
	@$(BIN)/python -m pytest -n 2 $(TOGETHER) -m rates tests/system

audit: setup
	@$(BIN)/python .ci/audit.py

bench: setup
	@$(BIN)/python -m tests.bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
