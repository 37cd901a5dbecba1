# `make demo` and `make test` set everything up by themselves; the rest is for developers.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-slow check bench results format clean

demo: $(READY)
	$(BIN)/python scripts/demo.py demo

test: $(READY)
	$(BIN)/pytest -q -n 2 -m "not slow"

test-slow: $(READY)
	$(BIN)/pytest -q -n 2 -m slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

results: $(READY)
	$(BIN)/python scripts/results.py
	$(BIN)/python scripts/forecast_results.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# PyTorch by itself and first, so that its CPU build is taken where there is one.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,train]"
	touch $(READY)

clean:
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
