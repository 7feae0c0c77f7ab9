# Plain `make` lists the targets. Whatever a target needs is installed into .venv the first time.
# Another Python: make setup PYTHON=python3.12       Options for a tool: make test ARGS="-k journal"

PYTHON ?= python3
JOBS ?= 2
ARGS ?=

# More threads for the small embedding model only fight over the cores.
export OPENBLAS_NUM_THREADS ?= 1

# The tests start some hundred processes; each would compile all of Quorate anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
TOOLS := $(VENV)/tools
LOWEST := .venv-lowest
PIP := python -m pip --disable-pip-version-check -qq

# A Python that was named, and is not the one in .venv, gets a new .venv.
version = $(shell { $(1) -c 'import sys; print(sys.version)'; } 2>&1)
ifneq ($(origin PYTHON),file)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
OTHER := other-python
endif
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help setup demo test lint format bench docs lowest check hooks changelog weights new-venv other-python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(TOOLS) ## make .venv with Quorate, its extras and the tools for working on it

demo: $(READY) weights ## watch a team work on a real file with a real local model; no key needed
	@$(BIN)/python examples/demo.py $(ARGS)

test: $(TOOLS) weights ## run the whole suite: the fast tests and the journeys with real processes
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(TOOLS) ## check style, format, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-logo

format: $(TOOLS) ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## measure beside other frameworks, which it installs into .bench/
	@$(BIN)/python bench/run.py $(ARGS)

docs: $(TOOLS) weights ## run every example in the README and in docs/
	@$(BIN)/python -m pytest tests/docs $(ARGS)

lowest: $(LOWEST)/ready weights ## run what dependencies can break with the oldest ones we promise
	@$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not journey and not proof" $(ARGS)

check: lint test lowest ## what CI runs

hooks: $(TOOLS) ## let git run `make lint` before a commit and `make test` before a push
	@$(BIN)/pre-commit install

changelog: $(TOOLS) ## gather changes/ into CHANGELOG.md: make changelog VERSION=0.2.0
	@$(BIN)/python scripts/changelog.py $(VERSION)

# The small model's weights, about 180 MB once; at once when they are there.
weights: $(READY)
	@$(BIN)/quorate models pull

$(READY): pyproject.toml $(OTHER)
	@$(if $(OTHER),false,$(BIN)/python -m pip --version >/dev/null 2>&1) || $(MAKE) new-venv
	@echo "Installing Quorate with its extras into $(VENV) (some 300 MB the first time) ..."
	@$(BIN)/$(PIP) install --upgrade 'pip>=25.1'
	@$(BIN)/$(PIP) install --editable '.[all]'
	@touch $@

$(TOOLS): $(READY)
	@echo "Installing the tools for tests and lint into $(VENV) (another 350 MB the first time) ..."
	@$(BIN)/$(PIP) install --group dev
	@touch $@

new-venv:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Name a Python 3.11 or newer: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Quorate needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without its venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(LOWEST)/ready: pyproject.toml scripts/lowest.py $(READY)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "The oldest dependencies go with the oldest Python: make lowest PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing the oldest dependencies we promise into $(LOWEST) ..."
	@$(BIN)/python -m venv --clear $(LOWEST)
	@$(BIN)/python scripts/lowest.py > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/$(PIP) install --upgrade 'pip>=25.1'
	@$(LOWEST)/bin/$(PIP) install --editable '.[all]' --group test --constraint $(LOWEST)/constraints.txt
	@touch $@
