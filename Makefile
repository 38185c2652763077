# Few verbs. Each works on a fresh machine with Python 3.11 or later and make: the virtual environment is made on the way.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test processes: most tests wait for workers and servers of their own, so more than there are cores.
JOBS ?= 6
# Of the fault suite and of fuzzing: short or full.
PROFILE ?= short
# Python compiles a module when it first imports the module; compiling all packages doubles the CPU of an installation.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
# Whoever has nothing left to do takes over half of what another has before it.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
# Some environments keep Python from keeping what it compiled: every process of the tests would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
# A program that crashes says where.
export PYTHONFAULTHANDLER = 1
# What the demo needs, and what all the rest needs besides.
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
SITE := $(VENV)/.site
RELEASE := $(VENV)/.release

.PHONY: demo test test-fast check format docs texts site release audit hashes rehearsal pictures troubles fuzz faults bench clean help prometheus chromium rabbitmq

help:            ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'
	@echo "ARGS passes options on: make test ARGS='tests/unit -q'. PROFILE=full is for faults and fuzz. JOBS=2 sets the number of test processes."

demo: $(RUNS)    ## a campaign leaves at exactly the pace its keys allow, through 429s, 503s and a killed worker
	@$(BIN)/python -m paceline_sandbox.demo $(ARGS)

test: $(READY) prometheus chromium rabbitmq ## all tests
	$(PYTEST) $(ARGS)

test-fast: $(READY) ## unit tests, scripts, properties and the tutorial, on one kind of server: under a minute
	TEST_SERVERS=one $(PYTEST) --maxfail=10 tests/unit tests/scripts tests/properties tests/fundamentals $(ARGS)

check: $(READY)  ## lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## fix what can be fixed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(READY)   ## reference pages and dashboards, made from models, settings and code
	$(BIN)/python -m docs.generate_operations
	$(BIN)/python -m docs.generate_configuration
	$(BIN)/python -m deploy.grafana.build

texts: $(READY)  ## docs/texts.md: every text that a user meets, to be read from top to bottom; not kept
	$(BIN)/python -m docs.generate_texts

site: $(SITE)    ## the documents as a web site, in build/site/html; a dead link is an error
	$(BIN)/python -m docs.build_site

release: $(RELEASE) ## wheel, sdist and bill of materials in build/release: built twice, the same byte for byte, and checked
	$(BIN)/python -m deploy.release

# Advisories on this machine (a folder or .zip in OSV's form); without, pip-audit asks the registry of pip's configuration.
ADVISORIES ?=

audit: $(RELEASE) ## known weaknesses of what constraints.txt pins; ADVISORIES=FILE.zip works without a network
ifeq ($(ADVISORIES),)
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r constraints.txt $(ARGS)
else
	$(BIN)/python -m deploy.advisories $(ADVISORIES) $(ARGS)
endif

hashes: $(READY) ## build/requirements.txt: what a deployment runs, with hashes, for pip install --require-hashes
	$(BIN)/python -m deploy.hashes $(ARGS)

rehearsal: $(READY) prometheus ## incidents on a small fleet for four minutes: every query of the dashboards is asked of a real Prometheus
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m deploy.rehearsal $(ARGS)

FUZZ := $(if $(filter full,$(PROFILE)),--hypothesis-profile=long,)

fuzz: $(READY)   ## what comes from outside, at random; PROFILE=full: 1,000,000 broker messages, 100,000 of all else: hours
	$(BIN)/python -m pytest -n 2 $(FUZZ) tests/unit/project/test_fuzz.py \
		tests/scripts/accept/test_records.py::test_random_records_do_no_harm \
		tests/system/broker/test_hostile_broker.py::test_random_messages_do_no_harm $(ARGS)

pictures: $(READY) chromium ## docs/images: each page of the console and of the sandbox, by a real browser (a minute)
	$(BIN)/python -m deploy.pictures $(ARGS)

troubles: $(READY) chromium prometheus ## docs/images: the Overview in five troubles of real fleets (some minutes)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m deploy.pictures.troubles $(ARGS)

faults: $(READY) ## workers, servers and networks fail; at most five minutes, PROFILE=full takes hours
	$(BIN)/python -m tests.faults --profile $(PROFILE) --jobs 2 $(ARGS)

mutations: $(READY) ## what holds a promise is taken away, one thing at a time: a test must fail (some minutes)
	$(BIN)/python -m tests.mutations $(ARGS)

bench: $(READY)  ## figures for the bars of docs/benchmarks.md
	$(BIN)/python -m benchmarks.pacing
	$(BIN)/python -m benchmarks.backlog
	$(BIN)/python -m benchmarks.campaign
	$(BIN)/python -m benchmarks.suppression
	$(BIN)/python -m benchmarks.exporter
	$(BIN)/python -m benchmarks.wanted
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.webhooks

chromium:
	@deploy/chromium/fetch.sh

rabbitmq:
	@deploy/rabbitmq/fetch.sh

prometheus: $(READY)
	@deploy/prometheus/fetch.sh $(BIN)

$(RUNS): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paceline needs Python 3.11 or later; set PYTHON=python3.11")'
	@echo 'make: the virtual environment $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@echo "make: installs Paceline and what its programs need: pip install -e '.[worker,cli,embedded,sandbox]'"
	@$(PIP) -e '.[worker,cli,embedded,sandbox]'
	@touch $@

$(READY): $(RUNS)
	@echo "make: installs what the tests need: pip install -e '.[dev]'"
	@$(PIP) -e '.[dev]'
	@touch $@

$(RELEASE): $(READY)
	@$(PIP) -e '.[release]'
	@touch $@

$(SITE): $(RUNS)
	@$(PIP) -e '.[site]'
	@touch $@

clean:           ## remove the environment and all caches
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
