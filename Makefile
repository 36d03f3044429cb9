# Needs Python 3.11+ and make. `make demo` and `make test` set everything up in .venv.
PYTHON ?= python3
BIN := .venv/bin
SET_UP := .venv/.set-up

.PHONY: demo test test-long check format bench clean

$(SET_UP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sqlshell needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

demo: $(SET_UP)
	cd sample_data && ../$(BIN)/sqlshell run tour.sql

test: $(SET_UP)
	$(BIN)/pytest -n 2 --dist worksteal -m "not long"

test-long: $(SET_UP)
	$(BIN)/pytest -n 2 --dist worksteal

check: $(SET_UP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/check_sizes.py

format: $(SET_UP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The peers live in an environment of their own; the test environment makes the data.
BENCH := .bench/.set-up

$(BENCH): pyproject.toml $(SET_UP)
	$(PYTHON) -m venv .bench
	.bench/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

bench: $(BENCH)
	.bench/bin/python -m benchmarks.run

clean:
	rm -rf .venv .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
