# `make help` lists what there is. Every target installs what it needs first; a second run finds it there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install install-dev browser lint format test test-fast demo serve clean-demo shots benchmark constraints

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -qq --prefer-binary -c constraints.txt
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# Threads that wait for work must not spin: site, worker and servers share the cores.
export OMP_WAIT_POLICY ?= passive

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Maskgrove needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Maskgrove (a few minutes the first time)"
	@$(PIP_INSTALL) -e '.[vision]'
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Maskgrove with what its tests need (a few minutes the first time)"
	@$(PIP_INSTALL) -e '.[vision,mturk,s3,dev]'
	@touch .venv/installed $@

install: .venv/installed ## Build .venv with all that runs the product
install-dev: .venv/installed-dev ## Build .venv with all that tests it, too

browser: .venv/installed-dev ## Find or install a Chromium for the browser tests
	@.ci/browser

lint: .venv/installed-dev ## ruff, mypy, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Let ruff order imports and lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Whole files go to a process, so that what a file prepares once is prepared once. Each has a database of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES) --maxprocesses 4 --dist loadfile

test: browser ## Every test; ARGS="-k crops" narrows
	$(PYTEST) $(ARGS)

test-fast: .venv/installed-dev ## The tests that need neither a browser nor minutes
	$(PYTEST) -m "not slow and not browser" $(ARGS)

demo: .venv/installed ## A complete project on generated scenes; CROWD=8 lets eight simulated workers answer
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$(CORES)} exec $(BIN)/python manage.py demo \
		$(if $(CROWD),--crowd $(CROWD)) $(if $(PORT),--port $(PORT))

serve: .venv/installed ## The site and its workers on your own projects
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$(CORES)} exec $(BIN)/python manage.py serve $(if $(PORT),--port $(PORT))

clean-demo: .venv/installed ## Forget the demo; projects of your own stay
	@$(BIN)/python manage.py demo --forget

shots: browser ## Take the pictures of the docs anew from a running demo
	$(BIN)/python docs/images/shots.py

benchmark: .venv/installed-dev ## Measure against named rivals, one table each; ONLY="questions worlds" narrows
	@mkdir -p var/benchmarks
	@for name in $(or $(ONLY),$(basename $(notdir $(shell grep -l '"--json"' benchmarks/*.py)))); do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py --json var/benchmarks/$$name.json; done

constraints: .venv/installed-dev ## Write constraints.txt from what .venv holds
	@{ head -1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt
