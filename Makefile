# Two commands matter: `make book` and `make test`. `make` alone lists the rest.
PYTHON ?= python3
PROFILE ?= book
PORT ?= 8000
GRID := $(if $(SCHEDULER),--scheduler $(SCHEDULER)) $(if $(JOBS),--workers $(JOBS)) \
  $(if $(PER_GPU),--per-gpu $(PER_GPU)) $(if $(DEVICE),--device $(DEVICE))

VENV := .venv
BIN := $(VENV)/bin
CHAPTERS := $(basename $(notdir $(sort $(wildcard notebooks/[0-9][0-9]_*.py))))
LIBRARY := $(shell find src/helpers -name '*.py' -o -name '*.yaml' -o -path '*/stored/*.json')
EXECUTED := _build/executed/$(PROFILE)
# The published book has the plain names; every other profile has folders of its own.
SUFFIX := $(if $(filter-out book,$(PROFILE)),-$(PROFILE))
STAGE := _build/stage$(SUFFIX)
HTML := _build/book$(SUFFIX)

.PHONY: help book chapter smoke pdf test serve field full study independence information tuples scale bundle check-bundle exercises sync lint bench bench-survey clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

book: $(HTML)/.built ## execute every chapter and build the pages
	@$(BIN)/python tools/build.py --output $(HTML) --where

chapter: $(VENV)/.stamp _build/.synced ## execute one chapter: make chapter CHAPTER=02_contrastive_training PROFILE=book
	@test -n "$(CHAPTER)" || { echo "CHAPTER is missing. One of: $(CHAPTERS)"; exit 2; }
	$(BIN)/python tools/execute.py --profile $(PROFILE) $(CHAPTER)

smoke: ## the whole book, small and fast, in folders of its own
	@$(MAKE) --no-print-directory book PROFILE=smoke

pdf: $(HTML)/.built ## print the book to _build/anatomy_of_a_stellar_mass.pdf; needs a Chromium
	$(BIN)/python tools/pdf.py $(HTML)/_build/html --output _build/anatomy_of_a_stellar_mass$(SUFFIX).pdf

test: lint ## ruff, mypy, then all tests, in up to four processes
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

serve: ## serve the built pages on 127.0.0.1 (PORT=8000)
	@test -f $(HTML)/_build/html/index.html || { echo "There are no pages yet: make book"; exit 2; }
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(HTML)/_build/html $(PORT)

field: $(VENV)/.stamp ## fetch the frames of one real field for chapter 1: 17 MB from SDSS
	$(BIN)/python tools/fetch_field.py

full: $(VENV)/.stamp ## all studies, in one grid; goes on where it stopped (SCHEDULER= JOBS= PER_GPU= DEVICE=)
	$(BIN)/python tools/full.py $(GRID)

study: $(VENV)/.stamp ## of these, learning curves and ablations of chapter 2, in hours
	$(BIN)/python tools/full.py $(GRID) contrastive

independence: $(VENV)/.stamp ## of these, rejection rates of chapter 4 in hundreds of forks, an hour
	$(BIN)/python tools/full.py $(GRID) independence

information: $(VENV)/.stamp ## of these, estimates of chapter 5 against known truths, an hour
	$(BIN)/python tools/full.py $(GRID) information

tuples: $(VENV)/.stamp ## of these, all 29 pairs of inputs at profile full, in hours
	$(BIN)/python tools/full.py $(GRID) tuples

scale: $(VENV)/.stamp ## time and memory of each step as samples grow; needs a quiet computer, twenty minutes
	$(BIN)/python tools/scale_study.py

bundle: $(HTML)/.built ## make data/bundle, what the published run computed, which chapters read that are opened alone
	$(BIN)/python tools/bundle.py --profile $(PROFILE)

check-bundle: $(VENV)/.stamp ## compare data/bundle and the stored studies with their checksums
	$(BIN)/python tools/bundle.py --check

exercises: $(VENV)/.stamp _build/.synced ## exercises without solutions in _build/exercises: a sheet to print, and notebooks
	$(BIN)/python tools/exercises.py

sync: $(VENV)/.stamp ## regenerate notebooks/*.ipynb from notebooks/*.py
	$(BIN)/python tools/notebooks.py

lint: $(VENV)/.stamp ## ruff, mypy, and the notebook pairs
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/notebooks.py --check

bench: $(VENV)/.stamp ## time the library's main calls
	@set -e; for script in $(sort $(wildcard benchmarks/*.py)); do echo "$$script"; $(BIN)/python $$script; done

bench-survey: $(VENV)/.stamp ## time neighbours and tests of half a million galaxies, a quarter of an hour
	$(BIN)/python tools/bench_survey.py

clean: ## remove what was built and all runs; keep .venv and the data cache
	rm -rf _build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept: $(VENV) and data/cache. Remove them by hand for a start from nothing."

$(VENV)/.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[book,test,cluster]'
	@# On all cores, and even where Python is told to write no bytecode: hundreds of processes import these. Nobody
	@# imports the packages' own tests; templates that are no Python stay as they are.
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

# The .py is the source. The generator leaves a notebook that is already right untouched, so only the
# chapters that changed are executed again.
_build/.synced: $(wildcard notebooks/*.py) tools/notebooks.py | $(VENV)/.stamp
	@mkdir -p _build
	$(BIN)/python tools/notebooks.py
	@touch $@

$(CHAPTERS:%=notebooks/%.ipynb): _build/.synced ;

# A chapter reads the artifacts of the chapters before it, so each one waits for the one before.
define chapter_rule
$(EXECUTED)/$(1).ipynb: notebooks/$(1).ipynb $$(LIBRARY) constraints.txt notebooks/profiles/$(PROFILE).yaml $(2) | $(VENV)/.stamp
	$(BIN)/python tools/execute.py --profile $(PROFILE) $(1)
endef
previous :=
$(foreach name,$(CHAPTERS),$(eval $(call chapter_rule,$(name),$(previous)))$(eval previous := $(EXECUTED)/$(name).ipynb))

$(HTML)/.built: $(CHAPTERS:%=$(EXECUTED)/%.ipynb) _config.yml _toc.yml $(shell find book -type f) $(wildcard tools/*.py)
	$(BIN)/python tools/stage.py --executed $(EXECUTED) --stage $(STAGE)
	$(BIN)/python tools/build.py --stage $(STAGE) --output $(HTML)
	$(BIN)/python tools/check_html.py $(HTML)/_build/html
	@touch $@
