# `make demo` shows the main job, `make test` passes the tests; each brings .venv up to date first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check lint bench clean

demo: .venv
	@$(BIN)/racedeck demo

test: .venv
	$(BIN)/pytest

check: lint test

lint: .venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv
	$(BIN)/python -m tests.bench

# Bytecode is compiled here, so that the first start at a race is not the slow one. Until all is done .venv counts as old:
# an installation that was interrupted is taken up again.
.venv: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	@touch -t 197001020000 .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	$(BIN)/python -m compileall -q console screens themes $(BIN)/../lib
	@touch .venv

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
