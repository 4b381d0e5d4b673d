# Muster: `make run` starts an agent, `make test` runs all that CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SEEDS ?= 200

.PHONY: run build test quick check simulate clean

build: $(BIN)/muster

# The marker is newer than what it was made from, so that a changed dependency installs itself.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --group dev --editable .
	touch $@

$(BIN)/muster: $(VENV)/.installed

run: build
	$(BIN)/muster agent -dev

test: check
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

quick: build
	$(BIN)/pytest -n $(WORKERS) -m "not slow and not peer" tests/unit

check: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	scripts/check-alone

# More seeds of the simulations than `make test` runs: `make simulate SEEDS=1000`.
simulate: build
	$(BIN)/python scripts/simulate --seeds $(SEEDS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
