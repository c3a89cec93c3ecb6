# gpumon's commands; `make help` lists them. Everything is installed into .venv, nothing outside the project.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first Python that is new enough and can make environments. Asked only when one is to be made.
FIND_PYTHON = for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
    "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
      && { echo "$$python"; exit 0; }; \
  done; \
  echo 'gpumon needs Python 3.11 or newer with venv (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: run
run: install ## Start the dashboard on http://127.0.0.1:5000
	@exec $(BIN)/python manage.py serve

.PHONY: admin
admin: install ## Make an administrator, who logs in at /admin/ and may change settings
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py createsuperuser

.PHONY: demo
demo: install ## Start it with simulated GPUs, five readings a second
	@exec $(BIN)/python -m gpumon_site.cli demo

.PHONY: install
install: .venv/installed ## Make the environment in .venv and install what gpumon needs to run
	@:

.PHONY: test
test: .venv/installed-dev ## Run every test
	@$(BIN)/python -m pytest

.PHONY: test-fast
test-fast: .venv/installed-dev ## Run the tests that need neither servers nor a browser
	@$(BIN)/python -m pytest -m "not slow and not browser"

.PHONY: lint
lint: .venv/installed-dev ## Check style, types, layers and templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint templates --lint --quiet

.PHONY: bench
bench: .venv/installed-dev ## Measure what a reading and a message cost
	@$(BIN)/python -m bench

.PHONY: screenshots
screenshots: .venv/installed-dev ## Take the pictures of docs/screenshots anew
	@$(BIN)/python -m tests.screenshots

.PHONY: wheel
wheel: .venv/installed-dev ## Build the wheel that `pipx install` takes, into dist
	@$(PIP) wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .

.PHONY: lock
lock: .venv/made ## Renew the lock files from the ranges in requirements*.txt
	@$(BIN)/python -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet pip-tools
	@compile="build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host"; \
	  $$compile --output-file requirements.lock requirements.txt; \
	  $$compile --constraint requirements.lock --output-file requirements-dev.lock requirements-dev.txt

.venv/made:
	@python=$$($(FIND_PYTHON)); "$$python" -m venv .venv
	@touch $@

# Only when a lock has changed. The development lock holds all of the other, so either does for `make run`.
.venv/installed: requirements.lock | .venv/made
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@touch $@

.venv/installed-dev: requirements-dev.lock requirements.lock | .venv/made
	@$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@ .venv/installed
