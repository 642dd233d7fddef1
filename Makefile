# `make run` and `make test` each do all the set-up they need; nothing is installed twice.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUN_ARGS ?=
TEST_ARGS ?=
COMMITS ?=
DASHBOARD_ARGS ?=
JOBS ?= 2
# One BLAS thread a test process: several would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help run test lint nightly dashboard simulate browser constraints clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.core ## every method on every family; ends with the paths of the report and the CSV
	$(BIN)/diffbench run --problems all $(RUN_ARGS)

test: $(VENV)/.dev browser ## every test
	$(PYTEST) -m "not nightly" $(TEST_ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@status=0; for check in "ruff check" "ruff format --check" mypy; do \
		echo "$$check"; $(BIN)/$$check || status=1; \
	done; exit $$status

nightly: $(VENV)/.dev browser ## every test with the full figures, then the full profile
	$(PYTEST) -m "not quiet" $(TEST_ARGS)
	figures=$$(mktemp); \
	DIFFBENCH_FIGURES=$$figures $(BIN)/python -m pytest -m quiet; status=$$?; \
	cat $$figures; rm -f $$figures; exit $$status
	$(BIN)/diffbench run --problems all --profile full --budget 60m $(RUN_ARGS)

dashboard: $(VENV)/.dev ## asv over commits (COMMITS="HEAD~1 HEAD"), as a site under .asv/html
	$(BIN)/python -m benchmarks.dashboard $(DASHBOARD_ARGS) $(COMMITS)

simulate: $(VENV)/.core ## the largest run with fake cells: how long its plan, store and merge take
	$(BIN)/python -m benchmarks.simulation $(RUN_ARGS)

constraints: $(VENV)/.dev ## pin the versions that are installed here
	$(BIN)/python -m pip list --format=freeze --exclude diffbench --exclude pip > constraints.txt

clean: ## remove the environment and what tools left behind; runs/ stays
	rm -rf $(VENV) .asv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: a stamp a set of packages, renewed when what it was made from changes ---------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "diffbench needs Python 3.11 or later; try: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing diffbench into $(VENV) (about a minute)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing diffbench and its development tools into $(VENV) (about a minute)"
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/.core $@

# The report's tests drive Debian's chromium; where it cannot be had they say so and are skipped.
browser:
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium for the report's tests"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq </dev/null >/dev/null \
		&& apt-get install -y -qq --no-install-recommends chromium fonts-liberation </dev/null >/dev/null; \
	fi; \
	command -v chromium >/dev/null || echo "no chromium here: the report's browser tests will be skipped"
