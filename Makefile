# gpumon's commands; `make help` lists them. Everything is installed into .venv, nothing outside the project.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Only .venv counts, and not what the shell sets for other programs' Python and pip. Without saved bytecode, each of the tests'
# servers would compile gpumon again.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONDONTWRITEBYTECODE PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER := 0

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first Python that is new enough and has venv. Evaluated only when a virtualenv has to be created.
FIND_PYTHON = for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
    "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
      && { echo "$$python"; exit 0; }; \
  done; \
  { echo "gpumon needs Python 3.11 or newer with venv; python3 is $$(python3 --version 2>/dev/null || echo missing). To install one:"; \
    echo '  Debian 12, Ubuntu 24.04 and newer: sudo apt install python3-venv'; \
    echo '  Ubuntu 22.04:                      sudo apt install python3.11-venv'; \
    echo '  anywhere:                          install uv (https://docs.astral.sh/uv/), which brings its own; make uses it'; \
  } >&2; exit 1

# Installs a lock file: with uv if there is one, which takes seconds; with pip otherwise, or if uv fails (it ignores pip.conf).
INSTALL = count=$$(grep -c '==' $(1)); \
  echo "Installing $$count packages into .venv$$(command -v uv >/dev/null || echo ', which takes a minute') ..."; \
  { command -v uv >/dev/null && uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $(1); } \
    || $(PIP) install --quiet --require-hashes --requirement $(1)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: run
run: install ## Start the dashboard on http://127.0.0.1:5000
	@echo 'Starting gpumon ...'; exec $(BIN)/python manage.py serve

.PHONY: admin
admin: install ## Create an admin account (for settings, alert rules, channels)
	@exec $(BIN)/python -m gpumon_site.cli admin

.PHONY: demo
demo: install ## Run with simulated GPUs, sampled five times a second
	@echo 'Starting gpumon on simulated GPUs ...'; exec $(BIN)/python -m gpumon_site.cli demo

.PHONY: fleet-demo
fleet-demo: .venv/installed-dev ## Run a hub and 20 simulated hosts
	@echo 'Starting a hub and its hosts ...'; exec $(BIN)/python -m tests.fleet.demo

.PHONY: install
install: .venv/installed ## Create the virtualenv in .venv and install the dependencies
	@:

# Tests of one file share their servers, so a file runs in one process. Much of the time they wait for a server or a browser, so
# there are four processes even on two cores. Files keep the order of tests/conftest.py: the slow ones first.
IN_PARALLEL := --numprocesses 4 --dist loadfile --no-loadscope-reorder
# The others wait for nothing: a process without a core of its own would only import and collect everything once more.
A_CORE_EACH := --numprocesses logical --maxprocesses 4

.PHONY: test
test: .venv/installed-dev ## Run every test, in parallel
	@$(BIN)/python -m pytest $(IN_PARALLEL)

.PHONY: test-fast
test-fast: .venv/installed-dev ## Run the tests that start no program and take little
	@$(BIN)/python -m pytest $(IN_PARALLEL) $(A_CORE_EACH) -m "not slow and not browser"

.PHONY: lint
lint: .venv/installed-dev ## Check style, types, imports, templates, security issues and committed secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive monitor gpumon_site manage.py
	@git ls-files -z -- $(SCANNED) ':!tests' | xargs -0 $(BIN)/detect-secrets-hook --exclude-secrets '$(NO_SECRETS)'
	@git ls-files -z -- tests | xargs -0 $(BIN)/detect-secrets-hook $(NOT_IN_TESTS)

# detect-secrets looks for keys and tokens in the formats of well-known services. Outside the tests, which are full of made-up
# passwords, it also flags names such as `password` and text of high entropy.
SCANNED := . ':!*.lock' ':!static/vendor' ':!*.png'
NO_SECRETS := ^(password|whsec_)$$
NOT_IN_TESTS := $(addprefix --disable-plugin ,KeywordDetector BasicAuthDetector Base64HighEntropyString HexHighEntropyString)

.PHONY: audit
audit: .venv/made ## Check the locked packages for known vulnerabilities
	@$(BIN)/python -m venv --clear build/audit
	@build/audit/bin/python -m pip install --quiet pip-audit
	@report=build/audit/report.txt; status=0; \
	  build/audit/bin/pip-audit --disable-pip --require-hashes --progress-spinner off --requirement requirements-dev.lock \
	    >$$report 2>&1 || status=$$?; \
	  unknown=$$(grep -c 'could not be audited' $$report || true); \
	  grep -v 'could not be audited' $$report || true; \
	  if ((unknown)) || ! grep -qE 'No known vulnerabilities|known vulnerabilit' $$report; then \
	    echo "make audit: the vulnerability service was unreachable, or does not know $$unknown of the packages:" \
	      "they were not checked." >&2; \
	    exit 2; \
	  fi; \
	  exit $$status

.PHONY: bench
bench: .venv/installed-dev ## Measure the cost of readings and messages
	@$(BIN)/python -m bench

.PHONY: chaos
chaos: .venv/installed-dev ## Run a server in bad weather for ten minutes, and a hub of several processes for five
	@$(BIN)/python -m tests.chaos
	@$(BIN)/python -m tests.chaos --hub --minutes 5

TARGET :=
SECONDS := 300

.PHONY: fuzz
fuzz: .venv/installed-dev ## Feed mutated inputs to all that reads any, or to TARGET=nvtop, for SECONDS=300 each
	@$(BIN)/python -m tests.fuzz --target '$(TARGET)' --seconds '$(SECONDS)'

.PHONY: bench-peers
bench-peers: .venv/installed-dev .venv-peers/installed ## Compare the cost with nvitop, gpustat and others
	@$(BIN)/python -m bench.peers .venv-peers/bin/python --write

.PHONY: bench-growth
bench-growth: .venv/installed-dev ## Measure how costs grow with GPUs, processes, clients, hosts and history
	@$(BIN)/python -m bench.growth --write

.PHONY: bench-profile
bench-profile: .venv/installed-dev ## Show where the CPU of a reading goes
	@$(BIN)/python -m bench.profile --write

.venv-peers/installed: bench/requirements-peers.lock
	@$(BIN)/python -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

.PHONY: screenshots
screenshots: .venv/installed-dev ## Regenerate the screenshots in docs/screenshots
	@$(BIN)/python -m tests.screenshots

.PHONY: icons
icons: .venv/installed-dev ## Draw the PNG icons of the installable app from their SVG files
	@$(BIN)/python -m tests.icons

.PHONY: wheel
wheel: .venv/installed-dev ## Build the wheel for `pipx install` into dist
	@$(PIP) wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .

.PHONY: release-schema
release-schema: .venv/installed-dev ## Save this version's database, for the upgrade tests
	@$(BIN)/python -m tests.upgrades.dump

.PHONY: install-service
install-service: ## Install or update gpumon as a systemd service in /opt/gpumon (as root)
	@PYTHON=$$($(FIND_PYTHON)) exec bash deploy/systemd/install

.PHONY: settings
settings: .venv/installed ## Rewrite .env.example and docs/configuration.md from the declared settings
	@$(BIN)/python -m monitor.config.reference

.PHONY: lock
lock: .venv/made ## Regenerate the lock files from requirements*.txt
	@$(BIN)/python -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet pip-tools
	@compile="build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host"; \
	  $$compile --output-file requirements.lock requirements.txt; \
	  $$compile --constraint requirements.lock --output-file requirements-gunicorn.lock requirements-gunicorn.txt; \
	  $$compile --constraint requirements.lock --output-file requirements-postgresql.lock requirements-postgresql.txt; \
	  $$compile --constraint requirements-postgresql.lock --output-file requirements-fleet.lock requirements-fleet.txt; \
	  $$compile --constraint requirements-gunicorn.lock --constraint requirements-fleet.lock \
	    --output-file requirements-dev.lock requirements-dev.txt; \
	  $$compile --output-file bench/requirements-peers.lock bench/requirements-peers.txt

.venv/made:
	@python=$$( ($(FIND_PYTHON)) 2>/dev/null || true); \
	echo "Creating .venv$${python:+ with $$("$$python" --version)} ..."; \
	if command -v uv >/dev/null && uv venv --quiet --seed --allow-existing --python "$${python:->=3.11}" .venv; then :; \
	elif [[ -n $$python ]]; then "$$python" -m venv .venv; \
	else $(FIND_PYTHON); fi
	@touch $@

# Only when a lock file has changed. The development lock includes the runtime lock, so either is enough for `make run`.
.venv/installed: requirements.lock | .venv/made
	@$(call INSTALL,requirements.lock)
	@touch $@

.venv/installed-dev: requirements-dev.lock requirements.lock | .venv/made
	@$(call INSTALL,requirements-dev.lock)
	@touch $@ .venv/installed
