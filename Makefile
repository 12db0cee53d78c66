# Needs Python 3.11 to 3.13 and make, nothing else. Another interpreter: make test PYTHON=python3.12
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN    := $(VENV)/.run-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# the suite waits for servers more than it computes: more processes than cores
JOBS   ?= 5
DEV    := $(subst .run-,.dev-,$(RUN))

.DEFAULT_GOAL := help
.PHONY: help demo test mutation bench soak serve lint types spec lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | while IFS='|' read -r t d; do printf '  make %-8s %s\n' "$$t" "$$d"; done

$(RUN): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version)" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements-dev.txt
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@

demo: $(RUN) ## the main job, end to end, on real input
	@$(BIN)/verifier demo

serve: $(RUN) ## the service on http://127.0.0.1:8080 until Ctrl-C
	@$(BIN)/verifier serve

test: $(DEV) ## the whole suite; starts every server it needs
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

mutation: $(DEV) ## does a test notice each change of the rules? ARGS="verifier/domain/gs1.py --most 200"
	@$(BIN)/python tests/mutation/mutate.py $(ARGS)

bench: $(RUN) ## the benchmark; ARGS="--packs 100000 --seconds 2" for a short one, ARGS=--json
	@cd tests && ../$(BIN)/python -m bench $(ARGS)

soak: $(DEV) ## every answer checked under full traffic and faults; SECONDS=60, ARGS="--people 3"
	@cd tests && PYTHONPATH=system:storage ../$(BIN)/python faults/soak.py --seconds $(or $(SECONDS),60) $(ARGS)

lint: $(DEV) ## style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV) ## types, strict
	@$(BIN)/mypy

spec: $(RUN) ## print the OpenAPI document and the tables into api_spec/
	@$(BIN)/verifier spec api_spec

lock: ## make the hashed lock files anew (needs uv on the PATH)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --group pyproject.toml:build pyproject.toml --output-file requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --group pyproject.toml:build --group pyproject.toml:dev --constraint requirements.txt pyproject.toml --output-file requirements-dev.txt

clean: ## remove what the commands above made
	rm -rf $(VENV) var build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
