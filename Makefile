# Set-up happens by itself before the first of run, test, check and bench, and again when
# pyproject.toml or constraints.txt change. Another interpreter: make PYTHON=python3.12 run
.DEFAULT_GOAL := help
.PHONY: help setup run test check docs fuzz bench gpu-check reproduce clean
.DELETE_ON_ERROR:

export PYTHON
# The many processes of the tests start several times faster from compiled modules.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
READY := .venv/.ready

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

$(READY): pyproject.toml constraints.txt cluster/setup.sh
	@cluster/setup.sh .venv
	@touch $@

setup: $(READY) ## virtual environment, pinned dependencies, libLLVM

run: $(READY) ## the paper's Table 1 beside ours, the quick version
	$(PY) sweeps/depth.py --quick

# Processes that tests and mypy are divided among; tests with Ray come one after the other.
JOBS := 2
PYTEST := $(PY) -m pytest
SHARED := -n $(JOBS) --dist worksteal

test: check ## everything that CI runs: check, the slow tests, those with Ray, the notebooks
	@cluster/setup_chromium.sh
	$(PYTEST) $(SHARED) -m "slow and not ray and not gpu"
	$(PYTEST) -m "ray and not gpu"
	$(PYTEST) --nbmake notebooks

check: $(READY) ## lint, format, types, layers, the quick tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy -n $(JOBS)
	.venv/bin/lint-imports --no-logo
	$(PYTEST) $(SHARED)

PAGES := docs/_build/html

docs: $(READY) ## the documentation, into docs/_build/html; opened where there is a screen
	$(PY) -m sphinx -q -W --keep-going -b html docs $(PAGES)
	@echo "the documentation: $(PAGES)/index.html"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
		$(PY) -m webbrowser "file://$(CURDIR)/$(PAGES)/index.html"; fi

MINUTES := 10

fuzz: $(READY) ## files changed at random through every reader, bounded; MINUTES=10
	FUZZ_MINUTES=$(MINUTES) FUZZ_KEEP=fuzz-faults $(PYTEST) -m fuzz tests/fuzz

bench: $(READY) ## speed, as ratios measured in one run
	$(PY) sweeps/bench.py

VARIANT := cuda

gpu-check: $(READY) ## checks and times on one GPU, in six minutes; VARIANT=llvm rehearses on the CPU
	$(PY) cluster/gpu_check.py --variant $(VARIANT)

STORAGE := results
# The first needs no search for paths, which the other process compiles meanwhile.
SWEEPS := complexity,depth,rays
# Beside the others, in one process, so that two cores are busy to the end.
BESIDE := placement,receivers,positions,initialization,rooms

reproduce: $(READY) ## every table and figure of the paper, and the report; STORAGE=results
	@told=$$(mktemp); trap 'rm -f "$$told"' EXIT; \
	.venv/bin/vlmrt sweep $(BESIDE) --threads 1 --storage $(STORAGE) $(OPTIONS) >"$$told" 2>&1 & beside=$$!; \
	.venv/bin/vlmrt sweep $(SWEEPS) --threads 1 --storage $(STORAGE) $(OPTIONS); ended=$$?; \
	wait $$beside || ended=$$?; cat "$$told"; exit $$ended
	.venv/bin/vlmrt report $(STORAGE) -o report.html --overwrite

# Rows, figures and answers of models, which cost money, stay.
CACHE := $(or $(VLMRT_CACHE_DIR),$(HOME)/.cache/vlmrt_dist)

clean: ## remove the environment and every cache
	rm -rf $(foreach part,paths compiled,"$(CACHE)/$(part)")
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build docs/_build *.egg-info
	find vlmrt_dist sweeps tests cluster notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-prune -exec rm -rf {} + 2>/dev/null || true
