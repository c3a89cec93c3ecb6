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
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

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
test: .venv/installed-dev ## Run every test, a file to a core
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: test-fast
test-fast: .venv/installed-dev ## Run the tests that need neither servers nor a browser
	@$(BIN)/python -m pytest -m "not slow and not browser"

.PHONY: lint
lint: .venv/installed-dev ## Check style, types, layers, templates, and for weak spots and secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive monitor gpumon_site manage.py
	@git ls-files -z -- $(SCANNED) ':!tests' | xargs -0 $(BIN)/detect-secrets-hook --exclude-secrets '$(NO_SECRETS)'
	@git ls-files -z -- tests | xargs -0 $(BIN)/detect-secrets-hook $(NOT_IN_TESTS)

# Committed secrets are looked for by the form that keys and tokens of the great services have, and outside the tests, which
# are full of passwords made up for them, also by names such as `password` and by how random a text is.
SCANNED := . ':!*.lock' ':!static/vendor' ':!*.png'
NO_SECRETS := ^(password|whsec_)$$
NOT_IN_TESTS := $(addprefix --disable-plugin ,KeywordDetector BasicAuthDetector Base64HighEntropyString HexHighEntropyString)

.PHONY: audit
audit: .venv/made ## Ask the Python package index for known weaknesses of what is locked
	@$(BIN)/python -m venv --clear build/audit
	@build/audit/bin/python -m pip install --quiet pip-audit
	@report=build/audit/report.txt; status=0; \
	  build/audit/bin/pip-audit --disable-pip --require-hashes --progress-spinner off --requirement requirements-dev.lock \
	    >$$report 2>&1 || status=$$?; \
	  unknown=$$(grep -c 'could not be audited' $$report || true); \
	  grep -v 'could not be audited' $$report || true; \
	  if ((unknown)) || ! grep -qE 'No known vulnerabilities|known vulnerabilit' $$report; then \
	    echo "make audit: the service that knows of weaknesses was not reached, or did not know $$unknown of the packages:" \
	      "nothing is said about them." >&2; \
	    exit 2; \
	  fi; \
	  exit $$status

.PHONY: bench
bench: .venv/installed-dev ## Measure what a reading and a message cost
	@$(BIN)/python -m bench

.PHONY: screenshots
screenshots: .venv/installed-dev ## Take the pictures of docs/screenshots anew
	@$(BIN)/python -m tests.screenshots

.PHONY: wheel
wheel: .venv/installed-dev ## Build the wheel that `pipx install` takes, into dist
	@$(PIP) wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .

.PHONY: release-schema
release-schema: .venv/installed-dev ## Keep the database of this version, for the tests of upgrades
	@$(BIN)/python -m tests.upgrades.dump

.PHONY: install-service
install-service: ## Install gpumon as a systemd service into /opt/gpumon, or bring it up to date; as root
	@PYTHON=$$($(FIND_PYTHON)) exec bash deploy/systemd/install

.PHONY: lock
lock: .venv/made ## Renew the lock files from the ranges in requirements*.txt
	@$(BIN)/python -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet pip-tools
	@compile="build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host"; \
	  $$compile --output-file requirements.lock requirements.txt; \
	  $$compile --constraint requirements.lock --output-file requirements-gunicorn.lock requirements-gunicorn.txt; \
	  $$compile --constraint requirements-gunicorn.lock --output-file requirements-dev.lock requirements-dev.txt

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
