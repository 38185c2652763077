# Few verbs. Each works on a fresh machine with Python 3.11 or later and make: the virtual environment is made on the way.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test processes: most tests wait for workers and servers of their own.
JOBS ?= 2
READY := $(VENV)/.ready

.PHONY: demo test check format docs bench clean help

help:            ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(READY)   ## a campaign leaves at exactly the pace its keys allow, through 429s, 503s and a killed worker
	@$(BIN)/python -m paceline_sandbox.demo $(ARGS)

test: $(READY)   ## all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope $(ARGS)

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

bench: $(READY)  ## figures for the bars of docs/benchmarks.md
	$(BIN)/python -m benchmarks.pacing
	$(BIN)/python -m benchmarks.backlog
	$(BIN)/python -m benchmarks.campaign
	$(BIN)/python -m benchmarks.exporter

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paceline needs Python 3.11 or later; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:           ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
