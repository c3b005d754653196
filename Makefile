PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(VENV)/source

run: $(VENV)/installed
	mkdir -p out
	cd out && ../$(BIN)/attrax run stsp_ring --force

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	MYPYPATH=$(SOURCES) $(BIN)/mypy -p attrax

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build attrax.egg-info out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Type checkers find the package by its name, whatever the folder of this clone is called.
$(SOURCES)/attrax: | $(BIN)/python
	mkdir -p $(SOURCES)
	ln -s ../.. $@

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-%: pyproject.toml | $(BIN)/python $(SOURCES)/attrax
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

.PHONY: run test lint bench clean
