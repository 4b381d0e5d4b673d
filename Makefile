# Muster: `make run` starts an agent, `make test` runs all that CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SEEDS ?= 200

.PHONY: run build page page-test screenshots test quick check simulate clean

build: $(BIN)/muster

# The marker is newer than what it was made from, so that a changed dependency installs itself.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --group dev --editable .
	touch $@

$(BIN)/muster: $(VENV)/.installed

# The web page, where it is older than its sources; without Node there is none.
page:
	scripts/build-page

page-test:
	scripts/build-page --required
	cd ui && npm test --silent

screenshots: build page
	$(BIN)/python scripts/screenshots

run: build page
	$(BIN)/muster agent -dev

test: check page-test
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
	rm -rf $(VENV) ui/node_modules src/muster/ui/static .mypy_cache .ruff_cache .pytest_cache .hypothesis
