# Every target builds .venv by itself; it needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.DEFAULT_GOAL := help
.PHONY: help install figures test test-browser lint format lab notebooks evaluate benchmark benchmark-vlm \
  train-mini clean

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(STAMP)  ## Create .venv with the pinned versions.

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is wanted, $(PYTHON) is $$($(PYTHON) --version 2>&1); try make PYTHON=python3.12." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[vlm,certified,notebooks,dev]"
	@# Its whole list would bring a torchvision that need not fit this torch; a run loads what the extra dev names.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps lmms-eval || \
	  echo "lmms-eval could not be installed; the test of its plug-in is skipped." >&2
	@touch $@

figures: $(STAMP)  ## Draw Figures 2 to 5 and A to C of the bundled model into figures/.
	$(BIN)/python -m otanalysis.figures

test: $(STAMP)  ## Run all tests and the examples of the documentation.
	$(BIN)/python -m pytest

test-browser: $(STAMP)  ## Run the explorer and a notebook in JupyterLab and a headless Chromium.
	$(BIN)/python -m pytest tests/browser -m browser -rs

lint: $(STAMP)  ## Check style, formatting, types and the import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)  ## Rewrite the code in the one format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: $(STAMP)  ## Open the notebooks in JupyterLab.
	$(BIN)/jupyter lab --notebook-dir notebooks

notebooks: $(STAMP)  ## Bring notebooks and their scripts together, without outputs.
	$(BIN)/jupytext --quiet --sync notebooks/*.py
	$(BIN)/jupyter nbconvert --log-level WARN --clear-output --inplace notebooks/*.ipynb

evaluate: $(STAMP)  ## Measure the accuracy of the bundled model again.
	$(BIN)/otanalysis evaluate

benchmark: $(STAMP)  ## Measure how tight the certified bounds are, and how fast they and the explorer.
	$(BIN)/python benchmarks/floor.py
	$(BIN)/python benchmarks/explorer.py
	$(BIN)/python benchmarks/checksums.py

benchmark-vlm: $(STAMP)  ## Measure batched selection, capture and pruned answers at LLaVA-1.5's shape.
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/vlm.py --images 8

train-mini: $(STAMP)  ## Train the bundled model again from its seed.
	$(BIN)/otanalysis train-mini

clean:  ## Remove what the targets made, the environment too.
	rm -rf $(VENV) build dist results data/dumps data/training .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find figures -mindepth 1 ! -name README.md -delete 2>/dev/null || true
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
