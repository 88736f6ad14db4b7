# The two commands are `make run` and `make test`; everything else is for those who change the code.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export DAGSTER_HOME ?= $(CURDIR)/.dagster
PYTEST := $(BIN)/python -m pytest
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

.PHONY: run test test-slow check dev bench clean ci-deps

run: $(STAMP)  ## crawl the invented site and go on to the report
	$(BIN)/anipop run

test: $(STAMP)  ## every test but the long proofs
	$(PYTEST) $(SIDE_BY_SIDE) -m "not slow"

test-slow: $(STAMP)  ## the long proofs
	$(PYTEST) -m slow

check: $(STAMP)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dev: $(STAMP)  ## the Dagster UI on http://127.0.0.1:3000
	$(BIN)/dagster dev -w workspace.yaml

bench: $(STAMP)  ## every benchmark that needs no data from elsewhere
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/crawl.py
	$(BIN)/python benchmarks/clusters.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/metrics.py

clean:  ## remove what was installed and made; the lake stays
	rm -rf $(VENV) build *.egg-info .dagster .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

ci-deps:  ## Debian packages that the browser tests want
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends chromium

# torch first and alone: the installer then takes the exact file that constraints.txt names.
$(STAMP): pyproject.toml constraints.txt deploy/activate.sh deploy/dagster.yaml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 run")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation --group dev -e .
	sed 's|@HOME@|$(CURDIR)|' deploy/activate.sh >> $(BIN)/activate
	mkdir -p $(DAGSTER_HOME)
	test -e $(DAGSTER_HOME)/dagster.yaml || cp deploy/dagster.yaml $(DAGSTER_HOME)/dagster.yaml
	touch $@
