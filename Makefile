# make run     set up .venv and train, distil, measure and export the quadrotor
# make test    set up .venv and run the tests
# make check   lint, format and types
# make docs    build the documentation into build/site; warnings are errors
# make wheel   build the wheel, install it in an empty environment and run it from another folder
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install run test test-fast check format docs wheel bench clean

install: $(STAMP)

# torch first and by its exact version, so that nothing else decides which build comes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "expected Python 3.11 to 3.13; got $$($(PYTHON) --version); fix: make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

run: install
	$(BIN)/robo-ts pipeline task=quadrotor recipe=raptor

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: install
	$(BIN)/ruff check robo_ts envs scripts tests
	$(BIN)/ruff format --check robo_ts envs scripts tests
	$(BIN)/pyright

format: install
	$(BIN)/ruff check --fix robo_ts envs scripts tests
	$(BIN)/ruff format robo_ts envs scripts tests

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: install
	bash scripts/check_wheel.sh

bench: install
	$(BIN)/robo-ts bench sim env --json benchmarks/bench-cpu.json

clean:
	rm -rf $(VENV) dist build runs
