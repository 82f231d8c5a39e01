# The verbs of this repository; `make help` lists them. CI calls the same ones.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Quiet, not silent: what is going on is said here, and pip's errors are shown.
PIP    := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 $(BIN)/python -m pip --quiet
# The lists are whole, so nothing is resolved: pip before 23.3 looks past a pin for what asks with an extra (coverage[toml]).
LOCKED := $(PIP) install --progress-bar off --require-hashes --no-deps --requirement
CORE   := states/*,daemon/config/*
FLOOR  := 85

.PHONY: demo test test-fast check bench bench-check torture audit sbom doctor-table references pictures lock clean help parts

demo: $(VENV)/.runtime ## one site, from an INI file to bound, against a simulated Mimecast
	@$(BIN)/sitebind demo

test: $(VENV)/.dev $(VENV)/.kerberos $(VENV)/.opentelemetry $(VENV)/.supply $(VENV)/.bench ## the whole suite, its real parts included, and the coverage floors
	$(BIN)/python -m pytest --cov --cov-report=
	@$(BIN)/coverage report --include='$(CORE)' --fail-under=100
	@$(BIN)/coverage report --omit='$(CORE)' --fail-under=$(FLOOR)

test-fast: $(VENV)/.dev ## what needs no real part, in minutes: for the day's work
	$(BIN)/python -m pytest -m 'not parts and not slow'

check: $(VENV)/.dev ## lint, formatting, types, import contracts, spelling, the example configuration
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/sitebind check-config --config config.example.ini

bench: $(VENV)/.dev $(VENV)/.bench parts ## ratios, every side measured in the same run; writes docs/performance.md anew
	$(BIN)/python -m bench --write

bench-check: $(VENV)/.dev $(VENV)/.bench parts ## measure again, and fail where a ratio is worse than the stored one
	$(BIN)/python -m bench --check

torture: $(VENV)/.dev parts ## kill it, starve it and lie to it for long, and write docs/reliability.md anew
	$(BIN)/python -m tests.torture

AUDIT ?=
audit: $(VENV)/.supply ## is a pinned dependency known to be vulnerable? AUDIT=--tell: no answer is told, and no failure
	@$(BIN)/python requirements/audit.py $(AUDIT)

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
sbom: $(VENV)/.supply $(VENV)/.kerberos $(VENV)/.opentelemetry ## the bill of materials, dist/sitebind-VERSION.cdx.json
	@$(BIN)/python requirements/sbom.py dist/sitebind-$(VERSION).cdx.json

doctor-table: $(VENV)/.dev ## write the table of faults in docs/doctor.md anew, from the tests' own run
	$(BIN)/python -m tests.doctor

references: $(VENV)/.dev ## write docs/reference/ and the tables of docs/troubleshooting.md anew, from the program itself
	$(BIN)/python -m tests.reference

pictures: $(VENV)/.dev parts ## take the pictures of every page in docs/pictures anew, of a real daemon in a real browser
	$(BIN)/python -m tests.browser.pictures

lock: $(VENV)/.dev ## write requirements/*.txt anew from pyproject.toml and requirements/*.in
	@requirements/lock $(BIN)/pip-compile

clean: ## remove everything the other verbs made
	rm -rf $(VENV) .demo .coverage .coverage.* htmlcov dist build .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

parts:
	@tests/parts/install

# The stamps: a virtual environment is touched only when what it was made from has changed.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  'sitebind needs Python 3.11 or newer. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
	  '$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv'; exit 1; }
	@echo 'Making the virtual environment $(VENV)'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt pyproject.toml
	@echo 'Installing sitebind and its locked dependencies'
	@$(LOCKED) requirements/runtime.txt
	@$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo 'Installing the locked tools for tests and checks'
	@$(LOCKED) requirements/dev.txt
	@touch $@

# Apart from the rest, because it is compiled: who lints or runs test-fast needs no compiler.
$(VENV)/.kerberos: $(VENV)/.runtime requirements/kerberos.txt | parts
	@echo 'Compiling the extra kerberos, which takes a minute or two'
	@$(LOCKED) requirements/kerberos.txt
	@touch $@

# What only some verbs need, and each wants installed beside the tools.
$(VENV)/.opentelemetry $(VENV)/.supply $(VENV)/.bench: $(VENV)/.%: $(VENV)/.dev requirements/%.txt
	@echo 'Installing requirements/$*.txt'
	@$(LOCKED) requirements/$*.txt
	@touch $@
