# Two commands: `make demo` and `make test`. Both install what is missing into .venv first.
PYTHON ?= python3
VENV := .venv
READERS := .venv-readers
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
DEMO ?= demo
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
PYTEST := $(BIN)/python -m pytest -n 3 --dist worksteal

.PHONY: readers help demo ui test test-slow format pictures lock clean

help:
	@echo "make demo    make a synthetic hospital and run both studies through the asset graph"
	@echo "make ui      open the demo in Dagster's page, with its sensors running"
	@echo "make test    run every check: format, lint, types, layers, docs, tests"
	@echo "make test-slow  run the tests that take many seconds each: daemon, browser, sources, clips end to end"
	@echo "make readers    make the environment that the examples for PyTorch and CVAT are tested in"
	@echo "make format  format the code, fix what the linter can, regenerate docs"
	@echo "make pictures  take the docs' pictures of Dagster's page again (needs Chromium)"
	@echo "make lock    pin the newest allowed versions of all dependencies, with hashes"

demo: $(VENV)/runtime
	@$(BIN)/eus-etl demo --root $(DEMO)

ui: $(VENV)/runtime
	@test -d $(DEMO)/dagster_home || { echo "There is no demo yet. What to do: run 'make demo' first."; exit 1; }
	@echo "Dagster's page: http://127.0.0.1:3000 (Ctrl-C ends it)"
	@cd $(DEMO) && DAGSTER_HOME="$$PWD/dagster_home" EUS_ETL_CONFIGS="$$PWD/configs" \
		"$(abspath $(BIN))/dagster" dev -w "$(abspath workspace.yaml)" --host 127.0.0.1 --port 3000

test: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m eus_etl.docgen --check
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/dev
	$(PYTEST) -m slow

readers: $(READERS)/made

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m eus_etl.docgen

pictures: $(VENV)/runtime
	$(BIN)/python docs/pictures/make.py

# uv comes first, from its own lock; then everything else in one go. Packages are compiled to bytecode here, once:
# each run is a process of its own, and may not be able to write bytecode
$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed. What to do: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python has no venv. What to do: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/runtime: requirements/runtime.txt pyproject.toml $(BIN)/uv
	@$(INSTALL) --compile-bytecode --require-hashes -r requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/runtime
	@$(INSTALL) --compile-bytecode --require-hashes -r requirements/dev.txt
	@touch $@

# PyTorch comes by pip, which can take a build for the CPU alone; TORCH names another version
$(READERS)/made: requirements/readers.txt $(BIN)/uv
	@$(PYTHON) -m venv $(READERS)
	@$(BIN)/uv pip install --quiet --python $(READERS)/bin/python --require-hashes -r requirements/readers.txt
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@touch $@

lock: $(BIN)/uv
	$(COMPILE) --upgrade requirements/readers.in -o requirements/readers.txt
	$(COMPILE) --upgrade requirements/bootstrap.in -o requirements/bootstrap.txt
	$(COMPILE) --upgrade pyproject.toml --group build -o requirements/runtime.txt
	$(COMPILE) --upgrade pyproject.toml --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt

clean:
	rm -rf $(VENV) $(READERS) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
