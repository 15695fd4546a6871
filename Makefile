# `make help` lists the targets. Each sets up what it needs in .venv; a second run starts at once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# What `make demo` trains: built-in drawn faces, about two minutes on two cores.
DEMO_WIDTH ?= 24
DEMO_BATCH_SIZE ?= 32
DEMO_STEPS ?= 900
DEMO_ARGS ?= --lr 1e-3 --beta1 0 --beta2 0.99 --sample-every 150

# Extras of setup.cfg that `make test` installs; EXTRAS=test,torch,nvrtc,mpi also compares with PyTorch, compiles
# for CUDA and trains on several processes.
EXTRAS ?= test
TESTS ?= tests
TEST_ARGS ?= -m "not slow"
# Processes that share the tests; JOBS=0 runs them in one, as --pdb needs.
JOBS ?= auto

# `make fuzz`: how many mutated inputs and how many kills, and the seed of both.
FUZZ_SEED ?= 1
FUZZ_COUNT ?= 50000
KILLS ?= 1000

# CuPy for `make cuda-test`: cuda12 or cuda13, as the machine's NVIDIA driver has it.
CUDA ?= cuda13

SETTINGS := setup.cfg pyproject.toml
.PHONY: help demo browser-page docs notebooks test slow-test fuzz cuda-test lint types bench wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed  ## train the built-in faces for about two minutes and name the sample grid
	$(BIN)/python -m dcgan.train --width $(DEMO_WIDTH) --batch-size $(DEMO_BATCH_SIZE) --steps $(DEMO_STEPS) $(DEMO_ARGS)

browser-page: $(VENV)/.installed  ## train the demo's G and write docs/browser/index.html, a page that draws with it
	runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT \
	    && $(BIN)/python -m dcgan.train --width $(DEMO_WIDTH) --batch-size $(DEMO_BATCH_SIZE) --steps $(DEMO_STEPS) $(DEMO_ARGS) --out "$$runs" \
	    && $(BIN)/python -m dcgan.export "$$runs/0001-dcgan64" --to html --out docs/browser/index.html --overwrite

docs: $(VENV)/.installed-docs  ## build the docs site, build/site/index.html; a warning or a dead link is an error
	$(BIN)/python docs/site/build.py

notebooks: $(VENV)/.installed  ## make a notebook of every lesson in build/notebooks
	$(BIN)/python docs/lesson_notebooks.py

test: $(VENV)/.installed-$(EXTRAS)  ## run the tests; TESTS=, TEST_ARGS= and EXTRAS= choose which, JOBS= how many at once
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 $(TESTS) $(TEST_ARGS)

slow-test: $(VENV)/.installed-test,nvrtc  ## the slow ones: every large kernel for every GPU architecture, the benchmarks of the pages
	$(BIN)/python -m pytest -m slow $(TESTS)

fuzz: $(VENV)/.installed-test  ## 50,000 mutated inputs and 1,000 kills; FUZZ_SEED=, FUZZ_COUNT= and KILLS= choose
	$(BIN)/python -m tests.fuzz --seed $(FUZZ_SEED) --count $(FUZZ_COUNT)
	$(BIN)/python -m tests.fuzz.kills --seed $(FUZZ_SEED) --count $(KILLS)

cuda-test: $(VENV)/.installed-test,$(CUDA)  ## run the tests that need a CUDA device; CUDA=cuda12 or cuda13
	$(BIN)/python -m pytest -m cuda $(TESTS)

lint: $(VENV)/.installed-dev  ## check the style (ruff)
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev  ## check the type hints (mypy)
	$(BIN)/mypy

bench: $(VENV)/.installed-torch  ## time a training step and every operation against PyTorch
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.ops

wheel: $(VENV)/.installed  ## build dist/*.whl
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:  ## remove .venv, builds and caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- setting up -----------------------------------------------------------------------------------------------------

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "make: $(PYTHON) is missing or older than 3.11: name a newer one, make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "make: $(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SETTINGS) | $(BIN)/pip
	@$(PIP) install --editable .
	@$(BIN)/python -m gpunet.kernels
	@touch $@

$(VENV)/.installed-%: $(SETTINGS) | $(BIN)/pip
	@echo "installing $* ..."
	@$(PIP) install --editable ".[$*]"
	@$(BIN)/python -m gpunet.kernels
	@touch $@ $(VENV)/.installed
