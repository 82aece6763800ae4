# Needs make, python3.11 or newer, pip and git. Everything else comes from requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.locked

.PHONY: setup serve test lint bench simulate fuzz lock clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Verbena needs Python 3.11 or newer; say which with: make setup PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

serve: setup
	$(BIN)/verbena serve --demo

test: setup
	$(BIN)/python -m pytest $(TESTS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.bench

# Ten thousand random histories, about an hour on two cores; a seed that fails is printed with the command to run it again.
simulate: setup
	$(BIN)/python -m tests.simulation --histories 10000

# New inputs for what reads strangers' code, frames and calls; a finding is printed in its smallest form.
fuzz: setup
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

# After a change of the dependencies; needs uv. Hashes, and no address of any index.
lock:
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--universal --python-version 3.11 --quiet --output-file requirements.lock

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
